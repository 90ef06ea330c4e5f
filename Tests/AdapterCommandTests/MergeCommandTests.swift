import Foundation
import SystemPackage
import TestSupport
import Testing

/// `merge` by several processes, in several goes, and back.
@Suite struct MergeCommandTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  @discardableResult
  private func shell(_ lines: String) throws -> CommandResult {
    let result = try Command.shell("set -e\n\(lines)", in: folder.path)
    #expect(result.status == 0, "\(result.errors)")
    return result
  }

  private var inputs: String {
    "'\(Repository.base("tiny-llama"))' '\(Repository.peft("llama_all"))'"
  }

  /// Processes that run at the same time, more than there are shards, and a last one.
  @Test(arguments: [2, 3, 7])
  func severalProcessesWriteWhatOneDoes(_ count: Int) throws {
    try shell(
      """
      adapter merge \(inputs) -o one
      for i in $(seq \(count)); do adapter merge \(inputs) -o many --part $i/\(count) & pids="$pids $!"; done
      for pid in $pids; do wait $pid; done
      adapter merge \(inputs) -o many --finish
      diff -r one many
      test "$(ls -A | tr '\\n' ' ')" = 'many one '
      """)
  }

  /// A merge and its undo, a hundred times: the same bytes.
  @Test func ahundredCyclesLeaveTheSameBytes() throws {
    try shell(
      """
      cp -r '\(Repository.base("tiny-llama"))' base
      adapter convert '\(Repository.peft("llama_all"))' -o lora.adp
      for i in $(seq 100); do
        adapter merge base lora.adp -o merged --undo undo.adp
        rm -r base
        adapter merge merged undo.adp -o base
        rm -r merged
        cksum undo.adp >> sums
        rm undo.adp
      done
      diff -r base '\(Repository.base("tiny-llama"))'
      test $(sort -u sums | wc -l) = 1
      """)
  }

  /// What cannot be taken back is refused before anything is written.
  @Test func whatCannotBeTakenBackIsNotMerged() throws {
    for (name, options) in [("llama_all", "--dtype f16"), ("llama_resized", "")] {
      let fixture = try #require(PEFTCase.all.first { $0.name == name })
      let result = try Command.shell(
        "adapter merge '\(fixture.basePath)' '\(fixture.path)' -o out --undo undo.adp \(options)",
        in: folder.path)
      #expect(
        result.status == 2 && result.errors.contains("could not be taken back"), "\(result.errors)")
      #expect(folder.names == [])
    }
  }

  @Test(arguments: [
    "-o out --part 0/2", "-o out --part 3/2", "-o out --part 1", "-o out --part 1/2 --finish",
    "-o out --dry-run", "--force", "--dry-run --part 1/2", "-o out --shard-size 0GB",
    "-o out --shard-size five",
    "-o out --dtype f8", "-o out --part 1/2 --undo u.adp",
  ])
  func wrongUsageIsTold(_ options: String) throws {
    let result = try Command.shell("adapter merge \(inputs) \(options)", in: folder.path)
    #expect(result.status == 64, "\(result.status) \(result.errors)")
    #expect(folder.names == [])
  }

  /// Killed when some shards are written, it goes on with the others, and writes the same bytes.
  @Test(.enabled(if: FaultInjector.isThere))
  func whatWasKilledGoesOn() throws {
    try FileManager.default.createDirectory(
      atPath: folder.appending("work").string, withIntermediateDirectories: false)
    let faults = try FaultInjector(below: folder.appending("work"))
    try shell("adapter merge \(inputs) -o one")
    let output = folder.appending("work/out").string
    let arguments = [
      "merge", Repository.base("tiny-llama").string, Repository.peft("llama_all").string, "-o",
      output,
    ]
    let count = try faults.count(.writes, of: arguments)
    try shell("rm -r work/out")
    var resumed = Set<Int>()
    for number in stride(from: 2, to: count, by: 2) {
      let killed = try faults.run(arguments, Fault(.kill, .writes, at: number))
      guard killed.status != 0 else { continue }
      let result = try shell("adapter merge \(inputs) -o work/out --json")
      let files = result.output.split(separator: "\"resumed_files\": [").last ?? ""
      resumed.insert(files.prefix { $0 != "]" }.count { $0 == "," } + (files.first == "]" ? 0 : 1))
      try shell("diff -r one work/out; test \"$(ls -A work)\" = out; rm -r work/out")
    }
    // From nothing at all to all of the four shards.
    #expect(resumed.isSuperset(of: [0, 1, 2, 3]), "\(resumed)")
  }

  /// A small change that BF16 cannot hold is no silent one.
  @Test func aChangeThatRoundingLosesIsWarnedOf() throws {
    let result = try shell(
      """
      adapter merge '\(Repository.base("tiny-llama"))' '\(Repository.peft("llama_all")):0' -o b --dtype bf16
      adapter merge b '\(Repository.peft("llama_all")):0.003' --dry-run
      """)
    #expect(result.errors.contains("adapter: warning: rounding keeps"))
    #expect(result.errors.contains("--dtype f32 keeps it"))
  }
}

import Foundation
import SystemPackage
import TestSupport
import Testing

/// What the machine does not give is an error, and never a crash or an end that does not come.
@Suite(.enabled(if: FaultInjector.isThere)) struct LimitTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try folder.copy(Repository.base("tiny-llama"), to: "base")
    try folder.copy(Repository.peft("llama_all"), to: "lora")
    try folder.copy(Repository.base("tiny-t5"), to: "t5")
    try folder.copy(Repository.peft("t5_ia3"), to: "ia3")
  }

  private func run(_ lines: String) throws -> CommandResult {
    try Command.shell(lines, in: folder.path)
  }

  /// A batch system limits the address space with `ulimit -v`. Each thread that multiplies takes 128 MiB of it.
  @Test func littleAddressSpaceIsAnErrorOrFewerThreads() throws {
    #expect(try run("adapter merge base lora -o want; adapter convert lora -o x.adp").status == 0)
    var merged: [Int32] = []
    for kilobytes in [150_000, 200_000, 300_000, 400_000, 500_000, 700_000, 1_000_000] {
      let limit = "ulimit -v \(kilobytes)"
      let verified = try run("\(limit); adapter verify x.adp")
      #expect(verified.status == 0, "\(kilobytes) kB: \(verified.errors)")
      let result = try run(
        "rm -rf out; (\(limit); adapter merge base lora -o out) && cmp out/*1-of* want/*1-of*")
      let isTold = result.errors.contains("address space") && result.errors.contains("ulimit -v")
      #expect(result.status == 0 || (result.status == 2 && isTold), "\(result.errors)")
      #expect(folder.appending("out").exists == (result.status == 0))
      merged.append(result.status)
    }
    #expect(merged.first == 2 && merged.last == 0)
  }

  /// The library for products is looked for where there are any.
  @Test func withoutProductsNothingNeedsTheirLibrary() throws {
    #expect(try run("adapter convert lora -o x.adp").status == 0)
    let hidden =
      "mkdir -p lib; : > lib/libopenblas.so.0; : > lib/libopenblas.so; LD_LIBRARY_PATH=$PWD/lib"
    for command in [
      "verify x.adp", "inspect x.adp --summary", "convert x.adp -o back", "unpack x.adp -o parts",
      "check t5 ia3", "merge t5 ia3 -o out", "verify --merge t5 ia3 out",
    ] {
      let result = try run("\(hidden) adapter \(command)")
      #expect(result.status == 0, "\(command): \(result.errors)")
    }
    for command in ["merge base x.adp -o out2", "inspect x.adp", "run base --token-ids 1,2"] {
      let result = try run("\(hidden) adapter \(command)")
      #expect(result.status == 2)
      #expect(
        result.errors.contains(
          "matrices cannot be multiplied: OpenBLAS, of the package libopenblas0"),
        "\(command): \(result.errors)")
    }
  }
}

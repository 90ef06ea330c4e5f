import Checkpoints
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// `verify --merge` by its exit status and its JSON; what it says is in Tests/Transcripts/verify-merge.txt.
@Suite struct VerifyMergeCommandTests {
  private let folder: TemporaryFolder
  private let base = Repository.base("tiny-llama-f32").string
  private let adapter = Repository.peft("llama_rslora").string

  init() throws {
    folder = try TemporaryFolder()
  }

  private func run(_ command: String, _ arguments: String...) throws -> CommandResult {
    try Command.run(Command.adapter, [command] + arguments, folder: folder.path)
  }

  private func merge(_ output: String, _ adapters: String...) throws {
    let result = try Command.run(
      Command.adapter, ["merge", base] + adapters + ["-o", output], folder: folder.path)
    #expect(result.status == 0, "\(result.errors)")
  }

  private func verdict(_ result: CommandResult) throws -> String {
    let fields = try JSONFields(Array(result.output.utf8))
    #expect(try fields.string("schema") == "adapter.verify-merge/1")
    return try fields.string("verdict")
  }

  /// Sums of F32 in another order are no merge to one rounding, and one within a tolerance; no merge is within it.
  @Test func otherSumsAreWithinATolerance() throws {
    try merge("sum", "\(adapter):1.5", "\(adapter):-0.5")
    let strict = try run("verify", "--merge", base, adapter, "sum", "--json")
    #expect(strict.status == 1)
    #expect(try verdict(strict) == "differs")
    #expect(strict.errors.contains("--tolerance 1e-4"))
    let tolerant = try run(
      "verify", "--merge", base, adapter, "sum", "--json", "--tolerance", "1e-4")
    #expect(tolerant.status == 0)
    #expect(try verdict(tolerant) == "within_tolerance")
    #expect(!tolerant.errors.contains("--tolerance"))
    let other = try run(
      "verify", "--merge", base, "\(adapter):0.999", "sum", "--tolerance", "1e-4")
    #expect(other.status == 1 && !other.errors.contains("--tolerance"))
  }

  /// The answer is of the same adapters in the same order, each with its weight.
  @Test func everyWeightCounts() throws {
    try merge("mixed", "\(adapter):0.7", "\(adapter):-1e-1")
    let same = try run(
      "verify", "--merge", base, "\(adapter):0.7", "\(adapter):-0.1", "mixed", "--json")
    #expect(same.status == 0)
    #expect(try verdict(same) == "identical")
    let other = try run("verify", "--merge", base, "\(adapter):0.7", "mixed", "--json")
    #expect(other.status == 1)
    #expect(try verdict(other) == "differs")
  }

  /// Progress is on standard error, and nothing of it where none is wanted.
  @Test(arguments: ["auto", "none", "plain"])
  func progressIsAChoice(_ choice: String) throws {
    let result = try run("merge", base, adapter, "-o", "out", "--progress", choice)
    let lines = result.errors.split(separator: "\n").filter { $0.hasPrefix("adapter: progress: ") }
    #expect(result.status == 0 && result.output.isEmpty)
    #expect(lines.count == (choice == "plain" ? 1 : 0))
    if let last = lines.last { #expect(last.contains("merging: 100 %, ")) }
  }
}

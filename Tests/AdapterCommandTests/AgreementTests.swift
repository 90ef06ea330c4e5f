import SystemPackage
import TestSupport
import Testing

/// Two implementations of one text: the command and Spec/full_reader.py say the same of random adapters, stacks and damaged
/// files (Tests/Agreement).
@Suite(.enabled(if: Command.python != nil, "needs a python3 with numpy and zstandard"))
struct AgreementTests {
  private static let folder = Repository.root.appending("Tests").appending("Agreement")

  /// Each finds no disagreement, and says so.
  @Test(arguments: [
    ["agree.py", "--count", "1800"], ["agree.py", "--files", "1800"], ["examples.py"],
  ])
  func theCommandAgreesWithTheSecondReader(_ words: [String]) throws {
    let script = Self.folder.appending(words[0]).string
    let arguments = ["-B", script, "--adapter", Command.adapter.string] + words.dropFirst()
    let result = try Command.run(try #require(Command.python), arguments)
    #expect(result.status == 0, "\(result.output)\(result.errors)")
  }
}

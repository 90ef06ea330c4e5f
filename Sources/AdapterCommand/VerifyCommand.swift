internal import AdapterFormat
internal import Adapters
internal import ArgumentParser
internal import Storage
internal import SystemPackage

/// `adapter verify`.
struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Checks every digest and every rule of an .adp file.",
    discussion: """
      Exit status 0 where all is well, 1 where the file is damaged, 2 where it is no .adp file or cannot \
      be read.

      Examples:
        adapter verify lora.adp
        curl -s https://example.org/lora.adp | adapter verify -
      """)

  @Argument(
    help: "An .adp file, or - for standard input.", completion: .file(extensions: ["adp"]))
  var path: String

  func run() throws {
    let isStandardInput = path == "-"
    if isStandardInput { try checkStandardInput() }
    let path = isStandardInput ? StandardInput.name : FilePath(path)
    do throws(FormatError) {
      let file = try isStandardInput ? AdapterFile.standardInput() : AdapterFile.open(path)
      _ = try Adapter.adapters(of: file)
      try file.verify()
      Terminal.write("\(self.path.escaped): ok, manifest \(file.digest)\n")
    } catch {
      let failure = Failure(error, in: path)
      throw Failure(failure.message, hint: failure.hint, status: error.isDamage ? 1 : 2)
    }
  }
}

extension FormatError {
  /// Whether it says that an `.adp` file is damaged, not that it is none, or of another version.
  fileprivate var isDamage: Bool {
    switch self {
    case .notAdapter, .version, .requires, .unsupported, .excess, .storage: false
    default: true
    }
  }
}

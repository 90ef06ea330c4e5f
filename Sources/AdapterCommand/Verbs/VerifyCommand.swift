internal import AdapterFormat
internal import AdapterInterop
internal import Operations
internal import ArgumentParser
internal import Storage
internal import SystemPackage

/// `adapter verify`.
struct VerifyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify",
    abstract: "Verify every digest and rule of an .adp file, or a merged checkpoint.",
    usage: """
      adapter verify <adapter>
      adapter verify --merge <base> <adapter>[:<weight>] ... <merged>
      """,
    discussion: """
      With --merge, recomputes the merge and compares every tensor, however the checkpoint is sharded. \
      Changed tensors must be within one unit in the last place of the exact value, with --requantize \
      within one step of the codes; all others must equal the base's, rounded once if the element type \
      differs.

      Exit status: 0 if all is well, 1 if the file is damaged or the checkpoint is another one, 2 on \
      errors.

      Examples:
        adapter verify lora.adp
        curl -s https://example.org/lora.adp | adapter verify -
        adapter verify --merge path/to/model lora.adp path/to/merged-model
        adapter verify --merge path/to/model lora.adp:0.7 dora.adp:-0.3 mixed-model
      """)

  @Argument(
    help: ArgumentHelp(
      """
      An .adp file, or - for standard input; with --merge the base, the adapters as merge takes \
      them, and the merged checkpoint.
      """, valueName: "path"), completion: .file())
  var paths: [String]

  @Flag(help: "Verify a merged checkpoint.")
  var merge = false

  @OptionGroup(title: "With --merge")
  var mergeOptions: MergeVerificationOptions

  func validate() throws {
    guard merge || paths.count == 1 else {
      throw ValidationError("one .adp file at a time; a merged checkpoint with --merge")
    }
    guard !merge || paths.count > 2 else {
      throw ValidationError("--merge takes a base, one adapter or more, and the merged checkpoint")
    }
    guard merge || !mergeOptions.isUsed else {
      throw ValidationError("--json, --tolerance and the options of a merge need --merge")
    }
  }

  func run() throws {
    guard !merge else {
      return try mergeOptions.verify(
        base: paths[0], adapters: Array(paths[1..<paths.count - 1]), merged: paths[paths.count - 1])
    }
    try verifyFile(paths[0])
  }

  private func verifyFile(_ argument: String) throws {
    let isStandardInput = argument == "-"
    if isStandardInput { try checkStandardInput() }
    let path = isStandardInput ? StandardInput.name : FilePath(argument)
    if !isStandardInput { try checkHasDigests(path) }
    do throws(FormatError) {
      let file = try isStandardInput ? AdapterFile.standardInput() : AdapterFile.open(path)
      _ = try Adapter.adapters(of: file)
      try file.verify()
      Terminal.write("\(argument.escaped): ok, manifest \(file.digest)\n")
    } catch {
      let failure = Failure(error, in: path)
      throw Failure(failure.message, hint: failure.hint, status: error.isDamage ? 1 : 2)
    }
  }
}

/// Refuses what has no digests: it can only be read from end to end, which a conversion does.
private func checkHasDigests(_ path: FilePath) throws(Failure) {
  switch try failing(path, { try PathContents(of: path) }) {
  case .foreign(let format):
    throw Failure(
      "\(path) is \(format.title), which has no digests to verify",
      hint:
        "adapter convert reads all of it, and records digests: adapter convert \(path) -o FILE.adp")
  case .checkpoint:
    throw Failure(
      "\(path) is a checkpoint, which has no digests to verify",
      hint:
        "to check that it is a base with adapters: adapter verify --merge BASE ADAPTER … \(path)")
  case .adapterFile, .unpackedAdapter, .unpackedTensors, .stranger: return
  }
}

extension FormatError {
  /// True if the error reports a damaged `.adp` file, not another kind of file or another version.
  fileprivate var isDamage: Bool {
    switch self {
    case .notAdapter, .version, .requires, .unsupported, .excess, .storage: false
    default: true
    }
  }
}

internal import AdapterFormat
internal import Operations
internal import ArgumentParser
internal import Storage

/// The command `adapter`.
struct AdapterTool: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "adapter",
    abstract: "Inspect, check, merge, run and convert adapters of fine-tuned models.",
    discussion: """
      inspect, check, diff, merge, run, convert and card take adapters of PEFT, llama.cpp, MLX, kohya's \
      scripts, diffusers and ONNX Runtime as well as .adp files.

      Exit status: 0 done; 1 the answer is no (check: the base is refused; diff: they differ; verify: \
      damaged, or not that merge); 2 error; 64 wrong usage. Results go to standard output, everything \
      else to standard error.
      """,
    version: toolVersion,
    subcommands: [
      CardCommand.self, CheckCommand.self, ConvertCommand.self, DiffCommand.self,
      ExtractCommand.self, InspectCommand.self, MergeCommand.self, PackCommand.self,
      RunCommand.self, UnpackCommand.self, VerifyCommand.self,
    ])
}

@main
enum Main {
  static func main() {
    Interruption.install()
    Platform.keepLittleFreedMemory()
    let arguments = CommandLine.arguments.dropFirst().map(OtherBaseOptions.spelled)
    do {
      if let unknown = UnknownCommand(arguments) { throw unknown.failure }
      var command = try AdapterTool.parseAsRoot(arguments)
      try command.run()
    } catch {
      let failure = error as? Failure ?? usageFailure(error, arguments)
      failure.report(asJSON: arguments.contains("--json"))
      Terminal.exit(failure.status)
    }
  }

  /// The parser's own errors: help and version are results, the rest is wrong usage.
  private static func usageFailure(_ error: any Error, _ arguments: [String]) -> Failure {
    let status = AdapterTool.exitCode(for: error)
    guard status != .success else {
      Terminal.write(AdapterTool.fullMessage(for: error) + "\n")
      Terminal.exit(0)
    }
    let text = AdapterTool.message(for: error).split(separator: "\n").joined(separator: " ")
    let message = text.prefix(1).lowercased() + text.dropFirst()
    guard status == .validationFailure else { return Failure(message) }
    let command = arguments.first.flatMap { AdapterTool.names.contains($0) ? $0 + " " : nil } ?? ""
    return Failure(message, hint: "adapter \(command)--help shows the usage", status: 64)
  }
}

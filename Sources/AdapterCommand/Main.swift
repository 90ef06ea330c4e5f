internal import AdapterFormat
internal import Operations
internal import ArgumentParser
internal import Storage

/// The command `adapter`.
struct AdapterTool: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "adapter",
    abstract: "Packs, inspects, merges and converts adapters of fine-tuned models.",
    discussion: """
      Exit status: 0 done; 1 the answer is no (check: the base is refused; diff: they differ; verify: the \
      file is damaged, or no such merge); 2 could not do it; 64 wrong usage. Results go to standard output, everything else to standard error.
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
    do {
      var command = try AdapterTool.parseAsRoot(
        CommandLine.arguments.dropFirst().map(OtherBaseOptions.spelled))
      try command.run()
    } catch let failure as Failure {
      failure.report()
      Terminal.exit(failure.status)
    } catch {
      // What is left are the parser's own: help and version are results, the rest wrong usage.
      let status = AdapterTool.exitCode(for: error)
      guard status != .success else {
        Terminal.write(AdapterTool.fullMessage(for: error) + "\n")
        Terminal.exit(0)
      }
      let message = AdapterTool.message(for: error).split(separator: "\n").joined(separator: " ")
      Terminal.report("error", message)
      guard status == .validationFailure else { Terminal.exit(2) }
      Terminal.report("hint", "adapter --help, or adapter COMMAND --help, shows the usage")
      Terminal.exit(64)
    }
  }
}

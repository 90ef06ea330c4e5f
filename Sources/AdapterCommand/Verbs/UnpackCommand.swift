internal import AdapterFormat
internal import AdapterInterop
internal import Operations
internal import ArgumentParser
internal import Storage
internal import SystemPackage

/// `adapter unpack`.
struct UnpackCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "unpack",
    abstract: "Unpack an .adp file into a folder of JSON and safetensors, to read and edit.",
    usage: "adapter unpack <source> -o <output> [--force]",
    discussion: """
      The folder holds manifest.json and tensors.safetensors; with several adapters, each has a \
      subfolder (Spec/folder.md). adapter pack turns it back into an .adp file.

      Examples:
        adapter unpack lora.adp -o folder
        adapter unpack languages.adp#german -o folder
      """)

  @Argument(
    help: "An .adp file, FILE#NAME for one of several adapters, or - for standard input.",
    completion: .file(extensions: ["adp"]))
  var source: String

  @Option(name: .shortAndLong, help: "The folder to write.", completion: .directory)
  var output: String

  @Flag(help: "Replace an existing folder.")
  var force = false

  func validate() throws {
    guard !AdapterOutput.isStandardOutput(output) else {
      throw ValidationError("a folder cannot go to standard output: name it")
    }
  }

  func run() throws {
    let reference = try AdapterReference(source)
    guard reference.isAdapterFile else {
      throw Failure(
        "\(reference.path) is not an .adp file",
        hint: "to make one of a PEFT folder: adapter convert \(reference.path)")
    }
    try checkDistinct(output, from: reference.inputs)
    let (file, adapters) = try reference.openFile()
    let names: [String]
    do {
      names = try AdapterFolder.unpack(
        file, adapters: adapters.compactMap(\.file?.index), to: FilePath(output),
        replacing: force, inputs: reference.sources)
    } catch {
      throw Failure(error, in: reference.path)
    }
    let tensors = adapters.reduce(0) { $0 + $1.tensors.count }
    Terminal.report(
      "done", "\(output): \(tensors.of("tensor")), " + names.joined(separator: ", "))
  }
}

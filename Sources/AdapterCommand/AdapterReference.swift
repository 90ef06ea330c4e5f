internal import AdapterFormat
internal import AdapterInterop
internal import Adapters
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// An adapter as the command line names it: `FILE`, `FILE#NAME` or a PEFT folder (or one of its two
/// files). A file whose whole name has a `#` wins over the reading as a name.
struct AdapterReference {
  enum Kind {
    case adp
    case peft
  }

  let path: FilePath
  let kind: Kind
  private let name: Name?

  init(_ argument: String) throws(Failure) {
    let whole = FilePath(argument)
    if FileStatus(of: whole) == nil, let mark = argument.lastIndex(of: "#") {
      path = FilePath(String(argument[..<mark]))
      name = Name(String(argument[argument.index(after: mark)...]))
    } else {
      path = whole
      name = nil
    }
    let isFolder = FileStatus(of: path)?.isFolder == true
    let isPart = ["adapter_config.json", "adapter_model.safetensors"].contains(
      path.lastComponent?.string)
    kind = isFolder || isPart ? .peft : .adp
    if kind == .peft, let name {
      throw Failure("\(path) is a PEFT folder, which holds one adapter and none called \(name)")
    }
  }

  /// The files that it is read from.
  var inputs: [FilePath] {
    kind == .adp ? [path] : [path, FileStatus(of: path)?.isFolder == true ? path : path.parent]
  }

  /// The adapter; of a file with several, the one that is named.
  func open() throws(Failure) -> Adapter {
    if kind == .peft { return try importPEFT(ignoredFields: []) }
    let adapters = try openFile().adapters
    guard adapters.count == 1 else {
      let names = adapters.map(\.name.text).joined(separator: ", ")
      throw Failure("\(path) holds several adapters: \(names)", hint: "name one: \(path)#NAME")
    }
    return adapters[0]
  }

  /// An `.adp` file and its adapters; only the one that is named, where one is.
  func openFile() throws(Failure) -> (file: AdapterFile, adapters: [Adapter]) {
    do throws(FormatError) {
      let file = try AdapterFile.open(path)
      let all = try Adapter.adapters(of: file)
      guard let name else { return (file, all) }
      let chosen = all.filter { $0.name == name }
      guard !chosen.isEmpty else { throw .manifest("no adapter is called \(name)") }
      return (file, chosen)
    } catch {
      throw Failure(error, in: path)
    }
  }

  /// A PEFT folder, with the notes of its conversion reported.
  func importPEFT(ignoredFields: [String]) throws(Failure) -> Adapter {
    do throws(InteropError) {
      let result = try PEFTImport(PEFTFolder(path), ignoredFields: ignoredFields)
      for note in result.notes { Terminal.report("note", note) }
      return result.adapter
    } catch {
      throw Failure(error, in: path)
    }
  }
}

internal import AdapterFormat
internal import AdapterInterop
internal import Adapters
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// An adapter as the command line names it: `FILE`, `FILE#NAME` or a PEFT folder. A file whose whole
/// name has a `#` wins over the reading as a name.
struct AdapterReference {
  let path: FilePath
  private let name: Name?

  init(_ argument: String) {
    let whole = FilePath(argument)
    guard FileStatus(of: whole) == nil, let mark = argument.lastIndex(of: "#") else {
      path = whole
      name = nil
      return
    }
    path = FilePath(String(argument[..<mark]))
    name = Name(String(argument[argument.index(after: mark)...]))
  }

  /// The adapter; of a file with several, the one that is named.
  func open(ignoredFields: [String] = []) throws(Failure) -> Adapter {
    if FileStatus(of: path)?.isFolder == true || path.isPEFTFile {
      return try Self.importPEFT(path, ignoredFields: ignoredFields).adapter
    }
    let adapters: [Adapter]
    do throws(FormatError) {
      adapters = try Adapter.open(path)
    } catch {
      throw Failure(error, in: path)
    }
    let names = adapters.map(\.name.text).joined(separator: ", ")
    guard let name else {
      guard adapters.count == 1 else {
        throw Failure("\(path) holds several adapters: \(names)", hint: "name one: \(path)#NAME")
      }
      return adapters[0]
    }
    guard let adapter = adapters.first(where: { $0.name == name }) else {
      throw Failure("\(path) holds no adapter \(name), but: \(names)")
    }
    return adapter
  }

  /// A PEFT folder, with the notes of its conversion reported.
  static func importPEFT(
    _ path: FilePath, ignoredFields: [String]
  ) throws(Failure) -> PEFTImport {
    do throws(InteropError) {
      let result = try PEFTImport(PEFTFolder(path), ignoredFields: ignoredFields)
      for note in result.notes { Terminal.report("note", note) }
      return result
    } catch {
      throw Failure(error, in: path)
    }
  }
}

extension FilePath {
  /// Whether it names one of the files of a PEFT folder.
  var isPEFTFile: Bool {
    ["adapter_config.json", "adapter_model.safetensors"].contains(lastComponent?.string)
  }
}

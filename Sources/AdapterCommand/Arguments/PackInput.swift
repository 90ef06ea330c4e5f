internal import AdapterFormat
internal import AdapterInterop
internal import Operations
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// An input of `pack`: a folder, or an adapter with a new name (`NAME=FILE`) or without. An existing file of the whole
/// name wins over the reading as `NAME=FILE`.
enum PackInput {
  case folder(FilePath)
  case adapter(AdapterReference, name: Name?)

  init(_ argument: String) throws(Failure) {
    let reference = try AdapterReference(argument)
    if case .unpackedAdapter = reference.contents {
      self = .folder(reference.path)
      return
    }
    let isThere = reference.isStandardInput || FileStatus(of: reference.path) != nil
    if !isThere, let mark = argument.firstIndex(of: "="),
      let name = try? AdapterRecord.checkedAdapterName(String(argument[..<mark]))
    {
      self = .adapter(
        try AdapterReference(String(argument[argument.index(after: mark)...])), name: name)
    } else {
      self = .adapter(reference, name: nil)
    }
    try checkKind()
  }

  private func checkKind() throws(Failure) {
    guard case .adapter(let reference, _) = self, !reference.isAdapterFile else { return }
    throw Failure(
      "\(reference.path) is neither an .adp file nor a folder with a manifest.json",
      hint: "to make an .adp file of it: adapter convert \(reference.path) -o FILE.adp")
  }

  /// The adapters of an `.adp` file, under the name that is given.
  func members() throws(Failure) -> [AdapterBundle.Member] {
    guard case .adapter(let reference, let name) = self else { return [] }
    let (file, adapters) = try reference.openFile()
    let indices = adapters.compactMap(\.file?.index)
    guard name == nil || indices.count == 1 else {
      let names = adapters.map(\.name.text).joined(separator: ", ")
      throw Failure(
        "\(reference.path) holds several adapters: \(names)",
        hint: "name one: NAME=\(reference.path)#ADAPTER")
    }
    let stem = indices.count == 1 && !reference.isStandardInput ? reference.path.stem : nil
    return indices.map {
      AdapterBundle.Member(
        file, index: $0, label: reference.path.string, stem: stem, name: name)
    }
  }
}

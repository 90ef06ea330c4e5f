internal import Storage
internal import StrictJSON
internal import SystemPackage

/// The outputs of commands that name none: in the working folder, called after the inputs, and never over anything.
enum DefaultOutput {
  /// Returns the name of a merge's output: `base+lora.safetensors`, or a folder `model+lora`.
  ///
  /// - Parameters:
  ///   - base: the base as it was given.
  ///   - adapters: the adapters.
  ///   - isFolder: whether the result is a folder.
  /// - Throws: `Failure` where something is there.
  /// - Returns: the name.
  static func merge(
    of base: String, with adapters: [AdapterReference], isFolder: Bool
  ) throws(Failure) -> String {
    var stems = [try stem(of: FilePath(base))]
    for adapter in adapters { stems.append(try stem(of: adapter)) }
    return try unused(stems.joined(separator: "+"), suffix: isFolder ? "" : ".safetensors")
  }

  /// Returns the name of a conversion's output: `my-lora.adp` for a folder `my-lora`, and the reverse.
  ///
  /// - Parameters:
  ///   - source: what is converted.
  ///   - suffix: the suffix of what is written; empty for a folder.
  /// - Throws: `Failure` where something is there.
  /// - Returns: the name.
  static func conversion(
    of source: AdapterReference, suffix: String
  ) throws(Failure) -> String {
    try unused(stem(of: source), suffix: suffix)
  }

  private static func unused(_ stem: String, suffix: String) throws(Failure) -> String {
    let name = stem + suffix
    guard FileStatus(ofLink: FilePath(name)) == nil else {
      let example = suffix.isEmpty ? "FOLDER" : "FILE\(suffix)"
      throw Failure(
        "the output \(name) already exists",
        hint: "name another: -o \(example); or replace it: -o \(name) --force")
    }
    return name
  }

  /// Adapters with names of their own, chosen of several, are called so.
  private static func stem(of adapter: AdapterReference) throws(Failure) -> String {
    if let name = adapter.name { return name.text }
    guard !adapter.isStandardInput else { return "adapter" }
    return try stem(of: adapter.path)
  }

  /// The name of a file without its suffix, or of a folder; a file that every such folder has is called as that.
  private static func stem(of path: FilePath) throws(Failure) -> String {
    var place = path.lexicallyNormalized()
    if place.isEmpty { place = "." }
    let name = place.lastComponent?.string ?? ""
    if FileStatus(of: place)?.isFolder != true {
      guard name.hasPrefix("adapter_") || name.hasSuffix(".index.json") else {
        return [".adp", ".safetensors"].first { name.hasSuffix($0) && name != $0 }
          .map { String(name.dropLast($0.utf8.count)) } ?? name
      }
      place = place.parent
    }
    if let component = place.lastComponent, component.kind == .regular { return component.string }
    // `.` and `..` say no name.
    let whole = Platform.workingFolder?.pushing(place).lexicallyNormalized()
    guard let component = whole?.lastComponent else {
      throw Failure(
        "\(path) has no name that the output could be called after", hint: "name it: -o")
    }
    return component.string
  }
}

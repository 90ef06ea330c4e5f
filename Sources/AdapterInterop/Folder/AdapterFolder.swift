internal import AdapterFormat
public import Operations
internal import Checkpoints
internal import Storage
internal import StrictJSON
public import SystemPackage

/// The adapters of an `.adp` file as a folder that people and programs can edit (Spec/folder.md): the
/// manifest as indented JSON, and the tensors as safetensors.
///
/// A folder made by hand is the way to an `.adp` file for programs in any language.
public struct AdapterFolder: Sendable {
  /// The folder.
  public let path: FilePath
  /// Its adapters, every rule checked that does not need the values.
  public let adapters: [Adapter]
  let manifest: Manifest
  let manifestText: [UInt8]
  let parts: [Part]

  /// The data of one adapter beside the manifest.
  struct Part {
    let tensors: [TensorContents]
    let opaque: any RandomAccessBytes
  }

  static let manifestName = "manifest.json"
  static let tensorsName = "tensors.safetensors"
  static let opaqueName = "opaque.bin"
  /// Bytes of `manifest.json`; indented it is longer than in a file.
  private static let maximumManifestByteCount = 256 << 20

  /// Returns true if a path is such a folder, or its manifest.
  static func isPlausible(_ path: FilePath) -> Bool {
    FileStatus(ofLink: folder(of: path).appending(manifestName)) != nil
      && FileStatus(of: folder(of: path))?.isFolder == true
  }

  /// Returns true if a path is a folder with an adapter's tensors, or the file of these tensors. They mean nothing
  /// without the manifest, which must be there too.
  static func holdsTensors(_ path: FilePath) -> Bool {
    let folder = path.lastComponent?.string == tensorsName ? path.parent : path
    guard FileStatus(of: folder.appending(tensorsName)) != nil else { return false }
    return [folder, folder.appending("..")].contains {
      FileStatus(of: $0.appending(manifestName)) != nil
    }
  }

  private static func folder(of path: FilePath) -> FilePath {
    path.lastComponent?.string == manifestName ? path.parent : path
  }

  /// Opens a folder, or the one of a `manifest.json`.
  ///
  /// - Throws: `InteropError` of the file that is missing or breaks a rule.
  public init(_ path: FilePath) throws {
    let folder = Self.folder(of: path)
    let place = folder.appending(Self.manifestName)
    guard let text = try Self.open(place).contents(limit: Self.maximumManifestByteCount) else {
      throw InteropError(
        .malformed, at: .file(place), "more than \(Self.maximumManifestByteCount) bytes")
    }
    let manifest = try Self.inManifest(place, text) {
      try Manifest(unpacked: text)
    }
    let names = manifest.adapters.map(\.name)
    if let why = Self.reasonNotToUnpack(names) {
      throw InteropError(.malformed, at: .file(place), why)
    }
    var (parts, adapters): ([Part], [Adapter]) = ([], [])
    for record in manifest.adapters {
      let inner = names.count == 1 ? folder : folder.appending(record.name.text)
      // The folder itself may be reached by a link: its user has named it.
      if names.count > 1 { try Self.checkNoLink(inner) }
      let part = try Self.part(of: record, in: inner)
      try Self.inManifest(place, text) {
        try record.check(against: part.tensors.map(\.info))
        adapters.append(try Adapter(record, base: manifest.base, tensors: part.tensors))
      }
      parts.append(part)
    }
    self.path = folder
    self.manifest = manifest
    manifestText = text
    self.parts = parts
    self.adapters = adapters
  }

  /// Adapters of one folder, each of which is a folder of its own.
  private static let maximumCount = 4096

  /// Why adapters of these names cannot be sub-folders beside a manifest ([FLD-2]); nil where they can.
  static func reasonNotToUnpack(_ names: [Name]) -> String? {
    guard names.count > 1 else { return nil }
    guard names.count <= maximumCount else {
      return "\(names.count) adapters are more than \(maximumCount)"
    }
    var seen: [String: Name] = [manifestName: "manifest.json"]
    for name in names {
      // Adapter names are ASCII, so that this is what a file system means by case.
      if let other = seen.updateValue(name, forKey: name.text.lowercased()) {
        return "\(other) and \(name) cannot both be in one folder on every file system"
      }
    }
    return nil
  }

  /// Every file that is read, and the folders they are in.
  package var inputs: [FilePath] {
    let inner = adapters.count == 1 ? [] : adapters.map { path.appending($0.name.text) }
    return [path] + inner
  }
}

// MARK: - Reading

extension AdapterFolder {
  private static func part(
    of record: AdapterRecord, in folder: FilePath
  ) throws -> Part {
    try checkNoLink(folder.appending(tensorsName))
    let file = try SafetensorsFile(folder.appending(tensorsName))
    let tensors = file.header.tensors.map {
      TensorContents($0.info, bytes: file.file, offset: file.offset(of: $0))
    }
    let size = record.opaqueByteCount
    guard size > 0 else { return Part(tensors: tensors, opaque: MemoryBytes([])) }
    let opaque = try open(folder.appending(opaqueName))
    guard opaque.count == size else {
      throw InteropError(
        .malformed, at: .file(opaque.path),
        "\(opaque.count) bytes, the opaque streams have \(size)")
    }
    return Part(tensors: tensors, opaque: opaque)
  }

  /// Opens a file of the folder. A link may lead out of it, to what its maker should not get: it is not
  /// followed.
  private static func open(_ path: FilePath) throws -> File {
    if FileStatus(ofLink: path)?.isLink == true { throw StorageError.inputIsLink(path) }
    return try File(path)
  }

  private static func checkNoLink(_ path: FilePath) throws {
    guard FileStatus(ofLink: path)?.isLink == true else { return }
    throw StorageError.inputIsLink(path)
  }

  /// Names the manifest in an error of the format, and in one of its JSON the line.
  private static func inManifest<Value>(
    _ path: FilePath, _ text: [UInt8], _ body: () throws -> Value
  ) throws -> Value {
    do {
      return try body()
    } catch let error as FormatError {
      guard case .json(let fault) = error, let offset = fault.offset else {
        throw InteropError.format(error, in: path)
      }
      let before = text.prefix(offset)
      let line = before.count { $0 == 0x0A } + 1
      let column = before.reversed().prefix { $0 != 0x0A }.count + 1
      throw InteropError(
        .malformed, at: .file(path), "line \(line), column \(column): \(fault.fault)")
    }
  }
}

extension AdapterRecord {
  /// Stored bytes of its opaque streams.
  fileprivate var opaqueByteCount: UInt64 {
    streams.filter(\.isOpaque).reduce(0) { $0 + $1.storedByteCount }
  }
}

extension Adapter {
  /// An adapter of a folder, with the rules of its operations checked.
  fileprivate init(
    _ record: AdapterRecord, base: BaseRecord?, tensors: [TensorContents]
  ) throws {
    let infos = Dictionary(
      tensors.map { ($0.info.name, $0.info) }, uniquingKeysWith: { first, _ in first })
    var operations: [Operation] = []
    for operation in record.operations {
      operations.append(try Operation(operation) { infos[$0] })
    }
    self.init(
      name: record.name, method: record.method, operations: operations, inert: record.inert,
      source: record.source, files: record.files, base: base, tensors: tensors)
  }
}

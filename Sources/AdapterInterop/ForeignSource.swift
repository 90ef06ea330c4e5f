internal import Checkpoints
internal import Storage
public import SystemPackage

/// A path that may hold a foreign adapter, and what a format may look at to tell.
///
/// A pipe is never looked into: what is read from it is gone.
public struct ForeignSource: Sendable {
  /// The path.
  public let path: FilePath
  /// The kind of thing at the path; nil if nothing is there.
  let kind: Kind?
  /// The names in it, of a folder.
  let names: [String]
  /// The first bytes, of a regular file.
  let head: [UInt8]
  /// The safetensors file that the path is, or the only one in the folder that it is, once that was opened.
  private(set) var tensors: SafetensorsFile?

  enum Kind: Sendable {
    case folder
    case file
    /// A pipe, a device or the like.
    case stream
  }

  /// Bytes that are looked at.
  private static let headByteCount: UInt64 = 64

  /// Looks at a path.
  ///
  /// - Throws: `InteropError` where something is there, and cannot be read: that is never the same as nothing.
  public init(_ path: FilePath) throws {
    self.path = path
    let status = FileStatus(of: path)
    kind = status.map { $0.isFolder ? .folder : $0.isRegular ? .file : .stream }
    (names, head) = try Self.look(at: path, kind)
  }

  private static func look(
    at path: FilePath, _ kind: Kind?
  ) throws -> (names: [String], head: [UInt8]) {
    switch kind {
    case .folder: return (try Platform.list(path), [])
    case .file:
      let file = try File(path)
      return ([], try file.bytes(at: 0, count: Int(min(file.count, headByteCount))))
    case .stream, nil: return ([], [])
    }
  }

  /// The last part of the path.
  var name: String { path.lastComponent?.string ?? "" }

  /// The same, its safetensors file opened where there is one that is not malformed.
  ///
  /// - Throws: `InteropError` where it cannot be read.
  func openingTensors() throws -> ForeignSource {
    var source = self
    do {
      source.tensors = try openTensors()
    } catch CheckpointError.storage(let error) {
      throw error
    } catch {
      // Malformed, or not there: the formats say what they make of that.
    }
    return source
  }

  /// Opens the safetensors file.
  ///
  /// - Throws: `InteropError` where there is none, or it is malformed or cannot be read.
  func openTensors() throws -> SafetensorsFile {
    let files = names.filter { $0.hasSuffix(".safetensors") }
    guard kind != .folder || files.count == 1 else {
      throw InteropError(
        .notAnAdapter, at: .file(path), "holds \(files.count) safetensors files, not one")
    }
    return try SafetensorsFile(kind == .folder ? path.appending(files[0]) : path)
  }
}

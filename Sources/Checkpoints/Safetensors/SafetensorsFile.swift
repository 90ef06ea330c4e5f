public import Storage
internal import StrictJSON
public import SystemPackage

/// An open safetensors file.
public struct SafetensorsFile: Sendable {
  /// The file.
  public let file: File
  /// The contents of the file.
  package let contents: SafetensorsContents

  /// Opens a file and checks its header.
  ///
  /// - Throws: `CheckpointError` where the file cannot be read or breaks a rule of safetensors.
  public init(_ path: FilePath) throws(CheckpointError) {
    file = try storing { () throws(StorageError) in try File(path) }
    contents = try SafetensorsContents(file, path: path)
  }

  /// Its tensors and metadata.
  public var header: SafetensorsHeader { contents.header }
  /// Where the data begins in the file.
  public var dataOffset: UInt64 { contents.dataOffset }

  /// Where a tensor's bytes begin in the file.
  public func offset(of tensor: SafetensorsHeader.Tensor) -> UInt64 { contents.offset(of: tensor) }
}

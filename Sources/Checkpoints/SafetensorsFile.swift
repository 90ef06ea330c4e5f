public import Storage
internal import StrictJSON
public import SystemPackage

/// An open safetensors file.
public struct SafetensorsFile: Sendable {
  /// The file.
  public let file: File
  /// Its tensors and metadata.
  public let header: SafetensorsHeader
  /// Where the data begins in the file.
  public let dataOffset: UInt64

  /// Opens a file and checks its header.
  ///
  /// - Throws: `CheckpointError` where the file cannot be read or breaks a rule of safetensors.
  public init(_ path: FilePath) throws(CheckpointError) {
    let file = try storing { () throws(StorageError) in try File(path) }
    guard file.count >= 8 else { throw .safetensors(path, "a file of \(file.count) bytes") }
    let prefix = try storing { () throws(StorageError) in try file.bytes(at: 0, count: 8) }
    let length = prefix.reversed().reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
    guard length <= UInt64(SafetensorsHeader.maximumByteCount) else {
      throw .safetensors(path, "a header of \(length) bytes, over the limit of 100 MB")
    }
    guard length <= file.count - 8 else {
      throw .safetensors(path, "cut short: a header of \(length) bytes in \(file.count)")
    }
    let text = try storing { () throws(StorageError) in
      try file.bytes(at: 8, count: Int(length))
    }
    self.file = file
    dataOffset = 8 + length
    header = try SafetensorsHeader(
      parsing: text, dataByteCount: file.count - 8 - length, path: path)
  }

  /// Where a tensor's bytes begin in the file.
  public func offset(of tensor: SafetensorsHeader.Tensor) -> UInt64 {
    dataOffset + tensor.offset
  }
}

package import Storage
package import StrictJSON
package import SystemPackage

/// A safetensors file, wherever its bytes are.
package struct SafetensorsContents: Sendable {
  /// All its bytes.
  package let bytes: any RandomAccessBytes
  /// Its tensors and metadata.
  package let header: SafetensorsHeader
  /// Where the data begins.
  package let dataOffset: UInt64

  /// Checks the header.
  ///
  /// - Parameters:
  ///   - bytes: the whole file.
  ///   - path: what it is called in errors.
  /// - Throws: `CheckpointError` where the bytes cannot be read or break a rule of safetensors.
  package init(_ bytes: any RandomAccessBytes, path: FilePath) throws(CheckpointError) {
    guard bytes.count >= 8 else { throw .safetensors(path, "a file of \(bytes.count) bytes") }
    let prefix = try storing { () throws(StorageError) in try bytes.bytes(at: 0, count: 8) }
    let length = prefix.reversed().reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
    guard length <= UInt64(SafetensorsHeader.maximumByteCount) else {
      throw .safetensors(path, "a header of \(length) bytes, over the limit of 100 MB")
    }
    guard length <= bytes.count - 8 else {
      throw .safetensors(path, "cut short: a header of \(length) bytes in \(bytes.count)")
    }
    let text = try storing { () throws(StorageError) in
      try bytes.bytes(at: 8, count: Int(length))
    }
    self.bytes = bytes
    dataOffset = 8 + length
    header = try SafetensorsHeader(
      parsing: text, dataByteCount: bytes.count - 8 - length, path: path)
  }

  /// The file that it would be with some of its tensors only, in their order.
  package func keeping(_ isKept: (Name) -> Bool) -> SafetensorsContents {
    let kept = header.tensors.filter { isKept($0.info.name) }.sorted { $0.offset < $1.offset }
    let header = SafetensorsHeader(inOrder: kept.map(\.info), metadata: header.metadata)
    let head = MemoryBytes(header.encoded)
    var joined = JoinedBytes()
    joined.append(head, at: 0, count: head.count)
    for tensor in kept {
      joined.append(bytes, at: offset(of: tensor), count: UInt64(tensor.info.byteCount))
    }
    return SafetensorsContents(bytes: joined, header: header, dataOffset: head.count)
  }

  private init(bytes: JoinedBytes, header: SafetensorsHeader, dataOffset: UInt64) {
    self.bytes = bytes
    self.header = header
    self.dataOffset = dataOffset
  }

  /// Where a tensor's bytes begin.
  package func offset(of tensor: SafetensorsHeader.Tensor) -> UInt64 { dataOffset + tensor.offset }
}

import Checkpoints
import Storage
import SystemPackage

/// An input of the target `peft`: the text of `adapter_config.json`, a byte of zero, and the text of
/// the header of `adapter_model.safetensors`. No JSON holds that byte, and the values, which are all
/// zeros, need no room.
package struct PEFTInput {
  package var config: [UInt8]
  package var header: [UInt8]

  package init(config: [UInt8], header: [UInt8]) {
    self.config = config
    self.header = header
  }

  /// Takes an input apart.
  package init(_ bytes: [UInt8]) {
    let end = bytes.firstIndex(of: 0) ?? bytes.endIndex
    config = Array(bytes[..<end])
    header = Array(bytes[end...].dropFirst())
  }

  /// The input.
  package var bytes: [UInt8] { config + [0] + header }

  /// The weights that the header describes; nil where there can be none, or too many.
  func weights(limit: UInt64) -> SafetensorsContents? {
    guard let size = dataByteCount, size <= limit else { return nil }
    let length = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
    let bytes = PaddedBytes(count: UInt64(8 + header.count) + size, head: length + header)
    return try? SafetensorsContents(bytes, path: "adapter_model.safetensors")
  }

  /// Where the last tensor ends. The parser asks for it in advance, and says it in its error.
  private var dataByteCount: UInt64? {
    SafetensorsLayout(header)?.end
  }
}

/// Bytes followed by zeros.
private struct PaddedBytes: RandomAccessBytes {
  let count: UInt64
  let head: [UInt8]

  func read(
    at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(StorageError) {
    guard offset <= count, UInt64(buffer.count) <= count - offset else {
      throw .truncated(path: "memory", offset: offset, count: buffer.count)
    }
    unsafe buffer.initializeMemory(as: UInt8.self, repeating: 0)
    guard offset < UInt64(head.count) else { return }
    let part = head[Int(offset)...].prefix(buffer.count)
    unsafe buffer.copyBytes(from: part)
  }
}

package import Storage
import Synchronization

/// Bytes that count how many of them are read.
package final class CountingBytes: RandomAccessBytes {
  private let bytes: any RandomAccessBytes
  private let total = Atomic<UInt64>(0)

  package init(_ bytes: any RandomAccessBytes) {
    self.bytes = bytes
  }

  package convenience init(_ bytes: [UInt8]) {
    self.init(MemoryBytes(bytes))
  }

  /// Bytes read so far.
  package var readCount: UInt64 { total.load(ordering: .relaxed) }

  package var count: UInt64 { bytes.count }

  package func read(
    at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(StorageError) {
    total.add(UInt64(buffer.count), ordering: .relaxed)
    try unsafe bytes.read(at: offset, into: buffer)
  }
}

internal import SystemPackage

/// Bytes that can be read at any place: a file, or memory.
public protocol RandomAccessBytes: Sendable {
  /// How many bytes there are.
  var count: UInt64 { get }

  /// Fills the buffer with the bytes from `offset` on.
  ///
  /// - Throws: `StorageError` where they cannot all be read.
  func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws(StorageError)
}

extension RandomAccessBytes {
  /// The `count` bytes from `offset` on; the caller has checked that they are there.
  public func bytes(at offset: UInt64, count: Int) throws(StorageError) -> [UInt8] {
    guard count > 0 else { return [] }
    var bytes = [UInt8](repeating: 0, count: count)
    try unsafe bytes.withUnsafeMutableBytesThrowing { buffer throws(StorageError) in
      try unsafe read(at: offset, into: buffer)
    }
    return bytes
  }
}

/// Bytes in memory.
public struct MemoryBytes: RandomAccessBytes {
  private let storage: [UInt8]

  /// Wraps bytes.
  public init(_ bytes: [UInt8]) {
    storage = bytes
  }

  /// How many bytes there are.
  public var count: UInt64 { UInt64(storage.count) }

  /// Copies the bytes from `offset` on into the buffer.
  ///
  /// - Throws: `truncated` where there are fewer.
  public func read(
    at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(StorageError) {
    let needed = buffer.count
    guard offset <= count, UInt64(needed) <= count - offset else {
      throw .truncated(path: "memory", offset: offset, count: needed)
    }
    unsafe buffer.copyBytes(from: storage[Int(offset)..<Int(offset) + needed])
  }
}

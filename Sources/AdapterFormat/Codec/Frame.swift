/// Frames of section 3: Zstandard frames in one fixed form.
package enum Frame {
  /// What every frame of n bytes begins with ([FRM-1]): the magic, and then a tag and n.
  struct Prefix {
    private static let magic: UInt32 = 0xFD2F_B528
    /// Tag and n, least significant byte first.
    private let descriptor: UInt64
    private let descriptorCount: Int

    /// Bytes of the prefix.
    var count: Int { 4 + descriptorCount }

    init(contentSize n: Int) {
      switch n {
      case ..<256: (descriptor, descriptorCount) = (0x20 | UInt64(n) << 8, 2)
      case ..<65_792: (descriptor, descriptorCount) = (0x60 | UInt64(n - 256) << 8, 3)
      default:
        (descriptor, descriptorCount) = (0xA0 | UInt64(UInt32(truncatingIfNeeded: n)) << 8, 5)
      }
    }

    /// Whether a frame begins so.
    func begins(_ frame: UnsafeRawBufferPointer) -> Bool {
      guard frame.count >= count,
        unsafe frame.loadUnaligned(as: UInt32.self).littleEndian == Self.magic
      else { return false }
      for index in 0..<descriptorCount {
        let byte = UInt8(truncatingIfNeeded: descriptor >> UInt64(8 * index))
        guard unsafe frame[4 + index] == byte else { return false }
      }
      return true
    }

    /// Writes it; the caller has made room.
    fileprivate func store(in output: UnsafeMutableRawBufferPointer) {
      unsafe output.storeBytes(of: Self.magic.littleEndian, as: UInt32.self)
      for index in 0..<descriptorCount {
        unsafe output[4 + index] = UInt8(truncatingIfNeeded: descriptor >> UInt64(8 * index))
      }
    }
  }

  /// The largest block of any frame.
  private static let maximumBlock = 128 << 10

  /// Whether the blocks after the prefix end with the frame, none of them too large ([FRM-2]).
  static func isWhole(_ frame: UnsafeRawBufferPointer, contentSize n: Int) -> Bool {
    var offset = Prefix(contentSize: n).count
    while offset + 3 <= frame.count {
      let header = unsafe blockHeader(frame, offset)
      let (isLast, type, size) = (header & 1 == 1, header >> 1 & 3, header >> 3)
      guard type != 3, size <= min(n, maximumBlock) else { return false }
      offset += 3 + (type == 1 ? 1 : size)
      if isLast { return offset == frame.count }
    }
    return false
  }

  /// The contents of a frame of n bytes that is one block and holds them as they are; nil for any other.
  static func storedContents(
    _ frame: UnsafeRawBufferPointer, contentSize n: Int
  ) -> UnsafeRawBufferPointer? {
    let prefix = Prefix(contentSize: n)
    guard n <= maximumBlock, frame.count == prefix.count + 3 + n, unsafe prefix.begins(frame),
      unsafe blockHeader(frame, prefix.count) == n << 3 | 1
    else { return nil }
    return unsafe UnsafeRawBufferPointer(rebasing: frame[(prefix.count + 3)...])
  }

  private static func blockHeader(_ frame: UnsafeRawBufferPointer, _ offset: Int) -> Int {
    unsafe Int(frame[offset]) | Int(frame[offset + 1]) << 8 | Int(frame[offset + 2]) << 16
  }

  /// Bytes of a frame of n bytes, at least one, whose blocks hold them as they are.
  package static func storedByteCount(contentSize n: Int) -> Int {
    Prefix(contentSize: n).count + (n + maximumBlock - 1) / maximumBlock * 3 + n
  }

  /// Writes what stands around the contents of a frame that is one block and holds them as they are.
  ///
  /// - Returns: where the contents, at least one byte, belong; nil where they are larger than a block.
  static func storeAround(
    contentSize n: Int, in output: UnsafeMutableRawBufferPointer
  ) -> UnsafeMutableRawBufferPointer? {
    guard n <= maximumBlock else { return nil }
    let prefix = Prefix(contentSize: n)
    unsafe prefix.store(in: output)
    let block = unsafe UnsafeMutableRawBufferPointer(rebasing: output[prefix.count...])
    unsafe writeBlockHeader(type: 0, size: n, isLast: true, in: block)
    return unsafe UnsafeMutableRawBufferPointer(rebasing: block[3..<3 + n])
  }

  /// Writes a frame whose blocks hold the bytes as they are, and returns its length.
  package static func store(
    _ bytes: UnsafeRawBufferPointer, in output: UnsafeMutableRawBufferPointer
  ) -> Int {
    unsafe writeBlocks(of: bytes.count, in: output) { start, count, block in
      unsafe writeBlockHeader(type: 0, size: count, isLast: start + count == bytes.count, in: block)
      unsafe UnsafeMutableRawBufferPointer(rebasing: block[3...])
        .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[start..<start + count]))
      return 3 + count
    }
  }

  /// A frame whose blocks hold the bytes as they are.
  package static func stored(_ bytes: [UInt8]) -> [UInt8] {
    var frame = [UInt8](repeating: 0, count: storedByteCount(contentSize: bytes.count))
    unsafe frame.withUnsafeMutableBytes { frame in
      _ = unsafe bytes.withUnsafeBytes { unsafe store($0, in: frame) }
    }
    return frame
  }

  /// Writes a frame of n equal bytes, and returns its length.
  package static func store(
    _ byte: UInt8, count n: Int, in output: UnsafeMutableRawBufferPointer
  ) -> Int {
    unsafe writeBlocks(of: n, in: output) { start, count, block in
      unsafe writeBlockHeader(type: 1, size: count, isLast: start + count == n, in: block)
      unsafe block[3] = byte
      return 4
    }
  }

  private static func writeBlocks(
    of n: Int, in output: UnsafeMutableRawBufferPointer,
    _ write: (_ start: Int, _ count: Int, UnsafeMutableRawBufferPointer) -> Int
  ) -> Int {
    let prefix = Prefix(contentSize: n)
    unsafe prefix.store(in: output)
    var (start, length) = (0, prefix.count)
    while start < n {
      let count = min(n - start, maximumBlock)
      length += unsafe write(
        start, count, UnsafeMutableRawBufferPointer(rebasing: output[length...]))
      start += count
    }
    return length
  }

  private static func writeBlockHeader(
    type: Int, size: Int, isLast: Bool, in block: UnsafeMutableRawBufferPointer
  ) {
    let header = size << 3 | type << 1 | (isLast ? 1 : 0)
    for index in 0..<3 { unsafe block[index] = UInt8(truncatingIfNeeded: header >> (8 * index)) }
  }
}

/// The low bytes of a value, least significant first.
func littleEndian(_ value: UInt64, count: Int) -> [UInt8] {
  (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
}

/// Frames of section 3: Zstandard frames in one fixed form.
package enum Frame {
  /// The beginning of every frame of n bytes ([FRM-1]): the magic, a tag and n.
  struct Prefix {
    private static let magic: UInt64 = 0xFD2F_B528
    /// Single segment, a content size of four bytes, and nothing else.
    private static let tag: UInt64 = 0xA0
    /// Bytes of the prefix.
    static let count = 9

    private let n: UInt32

    init(contentSize n: Int) { self.n = UInt32(truncatingIfNeeded: n) }

    private var start: UInt64 { Self.magic | Self.tag << 32 | UInt64(n & 0xFF_FFFF) << 40 }

    /// Returns true if a frame begins with this prefix.
    func begins(_ frame: UnsafeRawBufferPointer) -> Bool {
      guard frame.count >= Self.count else { return false }
      return unsafe frame.loadUnaligned(as: UInt64.self).littleEndian == start
        && frame[8] == UInt8(n >> 24)
    }

    /// Writes it; the caller has made room.
    func store(in output: UnsafeMutableRawBufferPointer) {
      unsafe output.storeBytes(of: start.littleEndian, as: UInt64.self)
      unsafe output[8] = UInt8(n >> 24)
    }

    /// Bytes of the shortest header of a frame of n bytes, in one segment without dictionary and checksum: what
    /// libzstd writes.
    static func shortest(contentSize n: Int) -> Int { n < 256 ? 6 : n < 65_792 ? 7 : count }

    /// Returns true if a frame begins with the shortest header.
    func isShortest(_ frame: UnsafeRawBufferPointer) -> Bool {
      let length = Self.shortest(contentSize: Int(n))
      let (tag, size): (UInt8, UInt32) =
        switch length {
        case 6: (0x20, n)
        case 7: (0x60, n - 256)
        default: (0xA0, n)
        }
      guard frame.count > length, unsafe frame[4] == tag,
        unsafe frame.loadUnaligned(as: UInt32.self).littleEndian == UInt32(Self.magic)
      else { return false }
      return (5..<length).allSatisfy { place in
        unsafe frame[place] == UInt8(truncatingIfNeeded: size >> UInt32(8 * (place - 5)))
      }
    }
  }

  /// The largest block of any frame.
  private static let maximumBlock = 128 << 10

  /// Returns true if the blocks after the prefix end with the frame, and none of them is too large ([FRM-2]).
  static func isWhole(_ frame: UnsafeRawBufferPointer, contentSize n: Int) -> Bool {
    var offset = Prefix.count
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
    guard n <= maximumBlock, frame.count == Prefix.count + 3 + n, unsafe prefix.begins(frame),
      unsafe blockHeader(frame, Prefix.count) == n << 3 | 1
    else { return nil }
    return unsafe UnsafeRawBufferPointer(rebasing: frame[(Prefix.count + 3)...])
  }

  private static func blockHeader(_ frame: UnsafeRawBufferPointer, _ offset: Int) -> Int {
    unsafe Int(frame[offset]) | Int(frame[offset + 1]) << 8 | Int(frame[offset + 2]) << 16
  }

  /// Bytes of a frame of n bytes, at least one, whose blocks hold them as they are.
  package static func storedByteCount(contentSize n: Int) -> Int {
    Prefix.count + (n + maximumBlock - 1) / maximumBlock * 3 + n
  }

  /// Writes what stands around the contents of a frame that is one block and holds them as they are.
  ///
  /// - Returns: where the contents, at least one byte, belong; nil where they are larger than a block.
  static func storeAround(
    contentSize n: Int, in output: UnsafeMutableRawBufferPointer
  ) -> UnsafeMutableRawBufferPointer? {
    guard n <= maximumBlock else { return nil }
    unsafe Prefix(contentSize: n).store(in: output)
    let block = unsafe UnsafeMutableRawBufferPointer(rebasing: output[Prefix.count...])
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
    unsafe Prefix(contentSize: n).store(in: output)
    var (start, length) = (0, Prefix.count)
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

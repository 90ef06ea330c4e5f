internal import SystemPackage

/// A file of known length that is written in blocks, in any order and from several threads.
///
/// Large files are written past the page cache: the bytes go from our memory to the disk, which costs a third of the
/// processor's time, leaves the cache to what is read again, and nothing for the sync at the end. Where the file
/// system shares or copies bytes by itself, whole blocks of another file are left to it.
package final class BlockOutput: Sendable {
  /// Bytes of every block but the last.
  package static let blockByteCount = 1 << 22
  /// The alignment of addresses and lengths of writes past the page cache; no disk asks for more.
  private static let alignment = 1 << 12
  /// Smaller files stay in the page cache.
  private static let smallestPastCache: UInt64 = 1 << 26

  private let output: OutputFile
  private let pastCache: FileDescriptor?
  /// True if the kernel is to copy a block of another file.
  package let copiesInKernel: Bool
  /// The file's blocks.
  package let blocks: BlockRanges

  /// Gives an output its length.
  ///
  /// - Throws: `StorageError` where there is no room for it.
  package init(_ output: OutputFile, byteCount: UInt64) throws(StorageError) {
    try output.resize(to: byteCount)
    self.output = output
    blocks = BlockRanges(byteCount: byteCount)
    let isInMemory = Platform.isInMemory(output.descriptor)
    let isLarge = byteCount >= Self.smallestPastCache
    pastCache = isLarge && !isInMemory ? output.openPastCache() : nil
    // In memory a copy would wait for the file's lock by spinning.
    copiesInKernel =
      Platform.copiesByItself(output.descriptor) || (pastCache == nil && !isInMemory)
  }

  deinit {
    try? pastCache?.close()
  }

  /// Memory of which a block can be written.
  package static func makeBuffer() -> UnsafeMutableRawBufferPointer {
    .allocate(byteCount: blockByteCount, alignment: alignment)
  }

  /// Writes a block.
  ///
  /// - Parameters:
  ///   - bytes: all of its bytes, in memory of `makeBuffer`.
  ///   - index: which block.
  /// - Throws: `StorageError` where it cannot be written.
  package func write(_ bytes: UnsafeRawBufferPointer, block index: Int) throws(StorageError) {
    let start = UInt64(index) * UInt64(Self.blockByteCount)
    var done = 0
    if let pastCache {
      let whole = bytes.count / Self.alignment * Self.alignment
      let aligned = unsafe UnsafeRawBufferPointer(rebasing: bytes[..<whole])
      do {
        done = try unsafe pastCache.writeAll(toAbsoluteOffset: Int64(start), aligned)
      } catch Errno.invalidArgument {
        // A file system that opens a file so and then has other rules.
        done = 0
      } catch {
        throw .system(
          operation: "write", path: output.target, code: error as? Errno ?? .ioError)
      }
    }
    guard done < bytes.count else { return }
    let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[done...])
    try unsafe output.write(rest, at: start + UInt64(done))
  }

  /// Copies a block of another file.
  ///
  /// - Parameters:
  ///   - source: the other file.
  ///   - offset: where its bytes begin there.
  ///   - index: which block.
  /// - Throws: `StorageError` where it cannot be read or written.
  package func copy(
    from source: File, at offset: UInt64, block index: Int
  ) throws(StorageError) {
    let range = blocks[index]
    try output.copy(
      from: source, range: offset..<offset + UInt64(range.count), to: range.lowerBound)
  }
}

/// The blocks of a file of known length: all of `BlockOutput.blockByteCount` bytes, but for the last.
package struct BlockRanges: Sendable {
  private let byteCount: UInt64

  package init(byteCount: UInt64) {
    self.byteCount = byteCount
  }

  /// How many there are.
  package var count: Int {
    let size = UInt64(BlockOutput.blockByteCount)
    return Int(byteCount / size) + (byteCount.isMultiple(of: size) ? 0 : 1)
  }

  /// The bytes of one block.
  package subscript(index: Int) -> Range<UInt64> {
    let start = UInt64(index) * UInt64(BlockOutput.blockByteCount)
    return start..<min(byteCount, start + UInt64(BlockOutput.blockByteCount))
  }
}

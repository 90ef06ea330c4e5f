package import Storage

/// A run of bytes of a checkpoint's file, to be copied as they are. Where it begins is known to this module alone.
package struct FileRange: Sendable {
  private let file: File
  private let bytes: Range<UInt64>

  package init(_ bytes: Range<UInt64>, of file: File) {
    self.bytes = bytes
    self.file = file
  }

  /// How many bytes there are.
  package var count: UInt64 { UInt64(bytes.count) }

  /// This run and another as one; nil where the other does not follow it in the same file.
  package func followed(by next: FileRange) -> FileRange? {
    guard file === next.file, bytes.upperBound == next.bytes.lowerBound else { return nil }
    return FileRange(bytes.lowerBound..<next.bytes.upperBound, of: file)
  }

  /// Fills memory with the bytes from a place of the run on.
  ///
  /// - Throws: `StorageError` where the file cannot be read.
  package func read(
    at place: UInt64, into memory: UnsafeMutableRawBufferPointer
  ) throws(StorageError) {
    try unsafe file.read(at: bytes.lowerBound + place, into: memory)
  }

  /// Copies as many bytes as a block has from a place of the run on, inside the kernel where it can.
  ///
  /// - Throws: `StorageError` where the file cannot be read, or the output not written.
  package func copy(
    at place: UInt64, to output: BlockOutput, block index: Int
  ) throws(StorageError) {
    try output.copy(from: file, at: bytes.lowerBound + place, block: index)
  }

  /// Holds the file against what it was when it was opened.
  ///
  /// - Throws: `StorageError.changed` where its size or the time of its last change is another.
  package func checkUnchanged() throws(StorageError) { try file.checkUnchanged() }
}

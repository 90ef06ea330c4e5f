public import Storage

/// A tensor of a checkpoint: its name, element type and shape, and a reader of its elements.
///
/// Elements are counted in row-major order: row r of a matrix [rows, columns] is the elements
/// `r * columns..<(r + 1) * columns`. They are read as `info.type` has them, little-endian, however the files hold
/// them. Where elements are parts of bytes, runs of them begin and end with whole bytes.
public struct StoredTensor: Sendable {
  /// Its name, element type and shape.
  public let info: TensorInfo
  /// Which shard holds it.
  public let shard: Int
  private let elements: StoredElements

  init(info: TensorInfo, shard: Int, elements: StoredElements) {
    self.info = info
    self.shard = shard
    self.elements = elements
  }

  /// Reads elements into memory that is there; safe from several threads at once.
  ///
  /// - Parameters:
  ///   - range: which elements; they must lie within `0..<info.shape.count`.
  ///   - memory: takes their bytes, and is just as long.
  /// - Throws: `StorageError` where a file cannot be read.
  public func read(
    _ range: Range<Int>, into memory: UnsafeMutableRawBufferPointer
  ) throws(StorageError) {
    let count = memory.count
    precondition(
      range.lowerBound >= 0 && range.upperBound <= info.shape.count
        && count == byteCount(of: range), "elements or memory out of bounds")
    switch elements {
    case .plain(let plain): try unsafe plain.read(range, into: memory)
    case .decoded(let decoded): try unsafe decoded.read(range, into: memory)
    }
  }

  /// The bytes of elements.
  ///
  /// - Parameter range: which elements; they must lie within `0..<info.shape.count`.
  /// - Throws: `StorageError` where a file cannot be read.
  /// - Returns: the bytes, in the tensor's element type.
  public func contents(of range: Range<Int>) throws(StorageError) -> [UInt8] {
    var contents = [UInt8](repeating: 0, count: byteCount(of: range))
    try unsafe contents.withUnsafeMutableBytesThrowing { bytes throws(StorageError) in
      try unsafe read(range, into: bytes)
    }
    return contents
  }

  /// The bytes of all elements.
  ///
  /// - Throws: `StorageError` where a file cannot be read.
  /// - Returns: the bytes, in the tensor's element type.
  public func contents() throws(StorageError) -> [UInt8] {
    try contents(of: 0..<info.shape.count)
  }

  /// The elements in runs of this many, the last one shorter.
  package func runs(of count: Int) -> some Sequence<Range<Int>> {
    let end = info.shape.count
    return stride(from: 0, to: end, by: count).lazy.map { $0..<min($0 + count, end) }
  }

  /// Bytes of elements.
  package func byteCount(of range: Range<Int>) -> Int { range.count * info.type.bitWidth / 8 }

  /// Its bytes in the file, to be copied as they are; nil where they are decoded.
  package var fileRange: FileRange? {
    switch elements {
    case .plain(let plain): plain.bytes
    case .decoded: nil
    }
  }

  /// How the file holds it, where its values are decoded.
  package var scheme: QuantisationScheme? {
    switch elements {
    case .plain: nil
    case .decoded(let decoded): decoded.scheme
    }
  }

  /// Holds what it is read from against what that was when the checkpoint was opened.
  ///
  /// - Throws: `StorageError.changed` where a file's size or the time of its last change is another.
  package func checkUnchanged() throws(StorageError) {
    switch elements {
    case .plain(let plain): try plain.bytes.checkUnchanged()
    case .decoded(let decoded):
      for bytes in decoded.elements.sources { try bytes.checkUnchanged() }
    }
  }
}

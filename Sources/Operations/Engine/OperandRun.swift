internal import AdapterFormat
internal import Storage
internal import StrictJSON

/// An operand that has an element for each of its parameter's, given run by run: in memory where it is small, else read
/// from the adapter whenever a tile wants it, so that memory does not grow with the parameter.
package struct OperandRun: Sendable {
  /// True if the tensor holds neither NaN nor infinity.
  let isFinite: Bool
  private let type: ElementType
  private let source: Source

  private enum Source: Sendable {
    case memory([UInt8])
    /// A whole tensor of the adapter, whose digest has been checked.
    case adapter(Adapter, Name)
  }

  /// Operands up to this size are in memory.
  private static let heldByteCount = 1 << 22

  /// Loads an operand, or looks at all of it once.
  ///
  /// - Throws: `FormatError` where the tensor cannot be read, or is damaged.
  init(_ operand: TypedOperand, of adapter: Adapter) throws(FormatError) {
    let name = operand.operand.tensor
    guard let info = adapter.tensor(name) else { throw .unsupported("tensor \(name)") }
    type = info.type
    guard info.byteCount > Self.heldByteCount, operand.operand.window == nil else {
      let bytes = try OperandBytes.contents(of: operand.operand, adapter)
      isFinite = !NonFinite.isPresent(in: bytes, of: type)
      source = .memory(bytes)
      return
    }
    source = .adapter(adapter, name)
    isFinite = try Self.check(info, of: adapter)
  }

  /// Returns true if a large tensor is finite; checks its digest on the way.
  private static func check(_ info: TensorInfo, of adapter: Adapter) throws(FormatError) -> Bool {
    let recorded = adapter.digest(of: info.name)
    var hasher = DigestHasher()
    var isFinite = true
    try adapter.forEachPiece(of: info) { piece in
      if recorded != nil { hasher.update(piece) }
      if NonFinite.isPresent(in: piece, of: info.type) { isFinite = false }
      return isFinite || recorded != nil
    }
    guard recorded == nil || recorded == hasher.finish() else { throw .tensor(info.name) }
    return isFinite
  }

  /// The bytes of some elements, as they stand in the adapter.
  func bytes(ofElements range: Range<Int>) throws(FormatError) -> ArraySlice<UInt8> {
    let place = range.lowerBound * type.bitWidth / 8..<range.upperBound * type.bitWidth / 8
    switch source {
    case .memory(let bytes): return bytes[place]
    case .adapter(let adapter, let name): return try adapter.contents(of: name, place)[...]
    }
  }

  /// The values of some elements, into memory for as many.
  func widen<Scalar: ComputeScalar>(
    _ range: Range<Int>, into values: inout [Scalar]
  ) throws(FormatError) {
    if values.count < range.count {
      values += Array(repeating: 0, count: range.count - values.count)
    }
    let bytes = try bytes(ofElements: range)
    unsafe bytes.withUnsafeBytes { stored in
      unsafe values.withUnsafeMutableBufferPointer {
        unsafe Scalar.widen(
          stored, of: type, into: UnsafeMutableBufferPointer(rebasing: $0[..<range.count]))
      }
    }
  }
}

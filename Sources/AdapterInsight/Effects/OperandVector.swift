internal import AdapterFormat
internal import Operations
internal import Storage

/// The elements of an operand as one long vector, each moved and multiplied; read block by block, as it may
/// be a whole embedding.
struct OperandVector: Sendable {
  let operand: TypedOperand
  let adapter: Adapter
  /// The number that is added to every element.
  var offset = 0.0
  /// The factor of every element, applied after the offset.
  var scale = 1.0

  /// Elements.
  var count: Int { operand.count }

  /// Returns true if the elements of both stand at the same places. Those of a vector do, however it is stored.
  func hasSameShape(as other: OperandVector) -> Bool {
    operand.shape == other.operand.shape || (operand.isVector && other.operand.isVector)
  }

  private static let blockCount = 1 << 16

  /// Calls `body` with the place of a block's first element and its values, in order.
  func forEachBlock(
    _ body: (Int, UnsafeBufferPointer<Double>) -> Void
  ) throws {
    let bytes = try OperandBytes.contents(of: operand.operand, adapter)
    let width = operand.type.bitWidth / 8
    guard operand.type.isFloat else {
      throw AdapterError(.misuse, on: operand.operand.tensor, "numbers that are not floats")
    }
    var values = [Double](repeating: 0, count: min(count, Self.blockCount))
    for start in stride(from: 0, to: count, by: Self.blockCount) {
      let length = min(Self.blockCount, count - start)
      unsafe bytes.withUnsafeBytes { bytes in
        unsafe values.withUnsafeMutableBufferPointer { values in
          let block = unsafe UnsafeMutableBufferPointer(rebasing: values[..<length])
          unsafe Double.widen(
            UnsafeRawBufferPointer(rebasing: bytes[start * width..<(start + length) * width]),
            of: operand.type, into: block)
          for index in 0..<length { unsafe block[index] = (block[index] + offset) * scale }
          unsafe body(start, UnsafeBufferPointer(block))
        }
      }
    }
  }

  /// Returns true if both hold the same bytes.
  func hasSameBytes(as other: OperandVector) throws -> Bool {
    guard operand.type == other.operand.type else { return false }
    let mine = try OperandBytes.contents(of: operand.operand, adapter)
    return mine == (try OperandBytes.contents(of: other.operand.operand, other.adapter))
  }

  /// The Euclidean norm.
  func norm() throws -> Double {
    var norm = 0.0
    try unsafe forEachBlock { _, values in
      norm = unsafe hypotenuse(norm, euclideanNorm(values))
    }
    return norm
  }

  /// All values at once.
  func values() throws -> [Double] {
    var all: [Double] = []
    all.reserveCapacity(count)
    try unsafe forEachBlock { _, values in unsafe all.append(contentsOf: values) }
    return all
  }

  /// The sums of a comparison with another of the same length.
  func compared(to other: OperandVector) throws -> PairSums {
    let mine = try values()
    var sums = PairSums()
    try unsafe other.forEachBlock { start, values in
      unsafe mine.withUnsafeBufferPointer { mine in
        unsafe sums.add(
          UnsafeBufferPointer(rebasing: mine[start..<start + values.count]), values)
      }
    }
    return sums
  }
}

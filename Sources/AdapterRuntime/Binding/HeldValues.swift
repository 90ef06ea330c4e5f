internal import AdapterFormat
internal import AdapterInsight
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

extension Adapter {
  /// Whether an operand is the same as one of another adapter: of one type and shape, with equal bytes.
  ///
  /// - Throws: `FormatError` where they cannot be read, or are damaged.
  func holds(
    _ operand: TypedOperand, as other: TypedOperand, in adapter: Adapter
  ) throws(FormatError) -> Bool {
    guard operand.type == other.type, operand.shape == other.shape else { return false }
    if operand.operand.window == nil, other.operand.window == nil,
      let mine = digest(of: operand.operand.tensor),
      let theirs = adapter.digest(of: other.operand.tensor)
    {
      return mine == theirs
    }
    return try OperandBytes.contents(of: operand.operand, self)
      == OperandBytes.contents(of: other.operand, adapter)
  }

  /// Whether an operand is what a base stores: of the same type and shape, with the same bytes. It ends at the first
  /// difference.
  ///
  /// - Throws: `FormatError` where the operand cannot be read, or is damaged; `CheckpointError` where the base cannot.
  func holds(_ operand: TypedOperand, as stored: StoredTensor) throws -> Bool {
    guard operand.type == stored.info.type, operand.shape == stored.info.shape.dimensions else {
      return false
    }
    let (count, bits) = (operand.count, operand.type.bitWidth)
    guard operand.operand.window == nil, bits.isMultiple(of: 8) else {
      return try OperandBytes.contents(of: operand.operand, self) == stored.contents()
    }
    let width = bits / 8
    var (start, hasher) = (0, DigestHasher())
    // The first piece is a small one: most that differ do so at once.
    while start < count {
      let end = min(count, start == 0 ? 1 << 10 : start + 1 << 20)
      let mine = try contents(of: operand.operand.tensor, start * width..<end * width)
      guard try mine == stored.contents(of: start..<end) else { return false }
      hasher.update(mine)
      start = end
    }
    // What is used, if only to be left out, is checked ([STR-7]).
    if let digest = digest(of: operand.operand.tensor), digest != hasher.finish() {
      throw FormatError.tensor(operand.operand.tensor)
    }
    return true
  }
}

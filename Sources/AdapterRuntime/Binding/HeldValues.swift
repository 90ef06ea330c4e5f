internal import AdapterFormat
internal import AdapterInsight
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

extension Adapter {
  /// Returns true if an operand is the same as one of another adapter: of one type and shape, with equal bytes. If both
  /// tensors have recorded digests, these decide, and the operand's own is checked against its bytes, because equal
  /// operands are used once ([STR-7]).
  ///
  /// - Throws: `FormatError` where they cannot be read, or are damaged.
  func holds(
    _ operand: TypedOperand, as other: TypedOperand, in adapter: Adapter
  ) throws(FormatError) -> Bool {
    guard operand.type == other.type, operand.shape == other.shape else { return false }
    guard let mine = digest(ofWhole: operand), let theirs = adapter.digest(ofWhole: other) else {
      return try OperandBytes.contents(of: operand.operand, self)
        == OperandBytes.contents(of: other.operand, adapter)
    }
    guard mine == theirs else { return false }
    return try forEachPiece(of: operand) { _, _ in true }
  }

  /// Returns true if an operand equals a stored tensor of the base: the same type and shape, with the same bytes. It
  /// stops at the first difference.
  ///
  /// - Throws: `FormatError` where the operand cannot be read, or is damaged; `CheckpointError` where the base cannot.
  func holds(_ operand: TypedOperand, as stored: StoredTensor) throws -> Bool {
    guard operand.type == stored.info.type, operand.shape == stored.info.shape.dimensions else {
      return false
    }
    let bits = operand.type.bitWidth
    guard operand.operand.window == nil, bits.isMultiple(of: 8) else {
      return try OperandBytes.contents(of: operand.operand, self) == stored.contents()
    }
    var failure: StorageError?
    let isSame = try forEachPiece(of: operand) { bytes, range in
      do throws(StorageError) {
        let elements = range.lowerBound * 8 / bits..<range.upperBound * 8 / bits
        return try bytes == stored.contents(of: elements)
      } catch {
        failure = error
        return false
      }
    }
    if let failure { throw failure }
    return isSame
  }

  /// The recorded digest of an operand that is a whole tensor.
  private func digest(ofWhole operand: TypedOperand) -> Digest? {
    operand.operand.window == nil ? digest(of: operand.operand.tensor) : nil
  }

  /// Calls the body with the bytes of a whole tensor, piece by piece, as long as it returns true; at the end their digest
  /// is checked.
  ///
  /// - Returns: whether the body returned true for all of them.
  private func forEachPiece(
    of operand: TypedOperand, _ body: ([UInt8], Range<Int>) -> Bool
  ) throws(FormatError) -> Bool {
    let (name, count) = (operand.operand.tensor, operand.count * operand.type.bitWidth / 8)
    var (start, hasher) = (0, DigestHasher())
    while start < count {
      // The first piece is a small one: most that differ do so at once. All are of whole elements.
      let range = start..<min(count, start == 0 ? 1 << 12 : start + 1 << 20)
      let bytes = try contents(of: name, range)
      guard body(bytes, range) else { return false }
      hasher.update(bytes)
      start = range.upperBound
    }
    if let digest = digest(of: name), digest != hasher.finish() { throw .tensor(name) }
    return true
  }
}

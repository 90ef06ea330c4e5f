internal import AdapterFormat
internal import Operations
internal import Storage
internal import StrictJSON

extension Operation {
  /// Returns true if both do the same to one stored tensor: the same operation with the same keys and equal bytes; or
  /// the same low-rank change, once of a matrix and once of its transpose.
  ///
  /// - Throws: `FormatError` where operands cannot be read.
  func hasSameEffect(as other: Operation, in adapter: Adapter) throws -> Bool {
    let (mine, theirs) = (record, other.record)
    guard mine.op == theirs.op, mine.meaningfulAttributes == theirs.meaningfulAttributes else {
      return false
    }
    guard target?.layout == other.target?.layout else {
      return try isTransposed(other, in: adapter)
    }
    guard mine.tensors.map(\.role) == theirs.tensors.map(\.role) else { return false }
    for (left, right) in zip(mine.tensors, theirs.tensors) {
      guard left.operand != right.operand else { continue }
      guard let first = adapter.tensor(left.operand.tensor),
        let second = adapter.tensor(right.operand.tensor),
        try adapter.holds(
          TypedOperand(left.operand, in: first), as: TypedOperand(right.operand, in: second),
          in: adapter)
      else { return false }
    }
    return true
  }

  /// Returns true if it makes the same product for the transposed weight.
  private func isTransposed(_ other: Operation, in adapter: Adapter) throws -> Bool {
    guard let left = self.as(AddLowRank.self), let right = other.as(AddLowRank.self),
      left.operands.compactMap(\.operand).count == 2,
      right.operands.compactMap(\.operand).count == 2,
      left.experts == nil, right.experts == nil, left.product.rank == right.product.rank,
      left.product.outputCount == right.product.inputCount,
      left.product.inputCount == right.product.outputCount
    else { return false }
    var operands = OperandLoader(adapter)
    let mine: [LowRankFactors<Double>] = try left.factors(&operands, nil)
    let theirs: [LowRankFactors<Double>] = try right.factors(&operands, nil)
    guard mine.count == 1, theirs.count == 1, mine[0].scale == theirs[0].scale else { return false }
    let rank = left.product.rank
    return mine[0].a.isTransposed(theirs[0].b, columns: rank)
      && theirs[0].a.isTransposed(mine[0].b, columns: rank)
  }
}

extension OperationRecord {
  /// Its keys, but for those that say how a base stores the target or what comes of it there.
  fileprivate var meaningfulAttributes: [JSONValue.Member] {
    attributes.filter { !["layout", "layout_from", "result"].contains($0.key) }
  }
}

extension [Double] {
  /// Returns true if it holds, row by row, the columns of the other matrix, which has `columns` of them.
  fileprivate func isTransposed(_ other: [Double], columns: Int) -> Bool {
    guard count == other.count, columns > 0 else { return count == other.count }
    let rows = count / columns
    return indices.allSatisfy { self[$0] == other[$0 % rows * columns + $0 / rows] }
  }
}

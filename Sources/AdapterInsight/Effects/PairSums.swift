internal import Operations

/// The sums from which the distance and the angle between two vectors follow.
package struct PairSums: Sendable {
  package private(set) var left = 0.0
  private(set) var right = 0.0
  private(set) var difference = 0.0
  private(set) var product = 0.0
  /// True if any two values differ: squares of the smallest numbers vanish.
  private(set) var hasDifference = false

  package init() {}

  /// Squares, and a product, that are known.
  init(left: Double, right: Double, difference: Double, product: Double) {
    (self.left, self.right) = (left, right)
    (self.difference, self.product) = (difference, product)
    hasDifference = difference != 0
  }

  /// Of a vector against nothing.
  package init(norm: Double, isLeft: Bool) {
    (left, right) = isLeft ? (norm * norm, 0) : (0, norm * norm)
    difference = norm * norm
    hasDifference = norm != 0
  }

  init(left: DenseMatrix, right: DenseMatrix) {
    for (x, y) in zip(left.values, right.values) { add(x, y) }
  }

  @inline(__always)
  package mutating func add(_ x: Double, _ y: Double) {
    left += x * x
    right += y * y
    difference += (x - y) * (x - y)
    product += x * y
    if x != y { hasDifference = true }
  }

  package mutating func add(
    _ left: UnsafeBufferPointer<Double>, _ right: UnsafeBufferPointer<Double>
  ) {
    for index in 0..<min(left.count, right.count) { unsafe add(left[index], right[index]) }
  }

  /// Adds a comparison that is done.
  mutating func add(_ other: PartComparison) {
    left += other.leftNorm * other.leftNorm
    right += other.rightNorm * other.rightNorm
    difference += other.distance * other.distance
    product += (other.cosine ?? 0) * other.leftNorm * other.rightNorm
    if other.distance != 0 { hasDifference = true }
  }

  package mutating func add(_ other: PairSums) {
    left += other.left
    right += other.right
    difference += other.difference
    product += other.product
    if other.hasDifference { hasDifference = true }
  }
}

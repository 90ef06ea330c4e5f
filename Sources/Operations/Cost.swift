/// The cost of applying an operation, in multiplications of a matrix product, derived from shapes alone.
package struct Cost: Sendable {
  /// For each element of the weight.
  package var perElement: Double
  /// Before the first element.
  package var ahead = 0.0

  /// One element in a loop that is not a matrix product.
  package static let loop = 128.0

  package init(perElement: Double, ahead: Double = 0) {
    self.perElement = perElement
    self.ahead = ahead
  }

  /// A loop over the elements, and a product of this many multiplications for each.
  package static func loop(andProduct rank: Int = 0) -> Cost {
    Cost(perElement: loop + Double(rank))
  }
}

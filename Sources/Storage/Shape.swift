/// The dimensions of a tensor, whose product is known not to overflow.
public struct Shape: Hashable, Sendable {
  /// The dimensions, outermost first.
  public let dimensions: [Int]
  /// How many elements: the product of the dimensions, 1 for a scalar.
  public let count: Int

  /// The largest product of non-zero dimensions: 2^53 − 1.
  public static let maximumCount = 1 << 53 - 1

  /// Checks dimensions; nil where the non-zero ones multiply to more than 2^53 − 1 (a zero must not
  /// hide an overflow behind it).
  public init?(_ dimensions: [UInt64]) {
    var product: UInt64 = 1
    for dimension in dimensions where dimension != 0 {
      let (next, overflow) = product.multipliedReportingOverflow(by: dimension)
      guard !overflow, next <= UInt64(Self.maximumCount) else { return nil }
      product = next
    }
    self.dimensions = dimensions.map(Int.init)
    count = dimensions.contains(0) ? 0 : Int(product)
  }

  /// Bytes of a tensor of this shape; nil where it does not fill whole bytes.
  public func byteCount(of type: ElementType) -> Int? {
    let (bits, overflow) = count.multipliedReportingOverflow(by: type.bitWidth)
    guard !overflow, bits % 8 == 0 else { return nil }
    return bits / 8
  }
}

extension Shape: CustomStringConvertible {
  /// As Python shows it: `[8, 32]`.
  public var description: String { "\(dimensions)" }
}

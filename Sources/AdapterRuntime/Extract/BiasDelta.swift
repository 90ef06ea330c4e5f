internal import Operations
package import Storage

/// The difference of two tensors of one type, and what adding it gives back.
package struct BiasDelta {
  /// The difference, rounded to the type that was asked for.
  package let bytes: [UInt8]
  /// The first tensor with the difference added by the rules of the specification, rounded to its own
  /// type.
  package let restored: [UInt8]

  /// Subtracts in F64, which is wide enough that the only rounding is that to `deltaType`.
  package init(
    from old: [UInt8], to new: [UInt8], of type: ElementType, as deltaType: ElementType
  ) {
    let (before, after): ([Double], [Double]) = (old.widened(from: type), new.widened(from: type))
    bytes = zip(after, before).map { $0 - $1 }.rounded(to: deltaType)
    if type == .f64 || deltaType == .f64 {
      let sum = zip(before, bytes.widened(from: deltaType) as [Double]).map { $0 + $1 }
      restored = sum.rounded(to: type)
    } else {
      let first: [Float] = old.widened(from: type)
      let sum = zip(first, bytes.widened(from: deltaType) as [Float]).map { $0 + $1 }
      restored = sum.rounded(to: type)
    }
  }
}

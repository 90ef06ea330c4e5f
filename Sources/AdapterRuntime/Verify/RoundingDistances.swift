internal import Operations
package import Storage

/// How far stored values are from exact ones, in units in the last place of their type.
///
/// The unit is the distance between neighbours of the type where the exact value is. So the exact value rounded to
/// nearest is at most half a unit away from it, and the neighbour on its other side at most one.
package struct RoundingDistances: Sendable {
  /// Elements that are more than one unit away.
  package private(set) var count = 0
  /// The largest distance, in units; infinite where only one of the two is a number.
  package private(set) var largest = 0.0
  private let type: ElementType
  private let fractionBits: Int
  private let smallestExponent: Int

  /// Begins with no elements.
  ///
  /// - Parameter type: the type of the stored values, F16, BF16, F32 or F64.
  package init(_ type: ElementType) {
    self.type = type
    (fractionBits, smallestExponent) =
      switch type {
      case .f16: (10, -14)
      case .bf16: (7, -126)
      case .f32: (23, -126)
      case .f64: (52, -1022)
      default: preconditionFailure("\(type.rawValue) has no last place")
      }
  }

  /// Adds elements.
  ///
  /// - Parameters:
  ///   - stored: the stored values, widened.
  ///   - exact: the values that they should be; as many.
  package mutating func add(
    _ stored: UnsafeBufferPointer<Double>, _ exact: UnsafeBufferPointer<Double>
  ) {
    for index in 0..<min(stored.count, exact.count) {
      let distance = unsafe distance(stored[index], exact[index])
      if distance > 1 { count += 1 }
      largest = max(largest, distance)
    }
  }

  private func distance(_ stored: Double, _ exact: Double) -> Double {
    let distance = (stored - exact).magnitude / unit(at: exact)
    return distance.isFinite ? distance : distanceOfNoNumbers(stored, exact)
  }

  /// The distance between neighbours of the type.
  private func unit(at value: Double) -> Double {
    let exponent = Int(truncatingIfNeeded: value.bitPattern >> 52 & 0x7FF) - 1023
    let last = max(exponent, smallestExponent) - fractionBits
    return last >= -1022
      ? Double(bitPattern: UInt64(truncatingIfNeeded: last + 1023) << 52)
      : Double(bitPattern: 1 << UInt64(truncatingIfNeeded: last + 1074))
  }

  /// Returns the distance of a value that is not a number, or too large for the type: 0 if rounding the exact value
  /// gives just that, infinity otherwise.
  private func distanceOfNoNumbers(_ stored: Double, _ exact: Double) -> Double {
    // No value of the type is between the two where both round to the same bytes.
    let isSame =
      stored.isNaN ? exact.isNaN : [exact].rounded(to: type) == [stored].rounded(to: type)
    return isSame ? 0 : .infinity
  }
}

internal import Operations
internal import StrictJSON

/// Why an adapter of a stack cannot take a factor.
enum FactorFault: Sendable {
  /// It is a NaN or an infinity.
  case notFinite
  /// A part of a rotation is not one.
  case rotation
  /// A replacement is not blended with what was there.
  case replacement
  /// Bits are restored or not.
  case restoration

  /// The error for a factor, and the parameter that it was for.
  func error(_ factor: Double, on name: Name? = nil) -> AdapterError {
    let place = name?.text ?? "a parameter"
    let reason =
      switch self {
      case .notFinite: "weight \(factor) is not a finite number"
      case .rotation: "weight \(factor): \(place) is rotated, and a part of a rotation is none"
      case .replacement:
        "weight \(factor): \(place) is replaced, and not blended with what was there"
      case .restoration:
        "weight \(factor): \(place) is restored bit for bit, which has no parts"
      }
    let isFinite = if case .notFinite = self { false } else { true }
    return AdapterError(
      .factor, at: name.map { [$0.text] } ?? [], reason,
      advice: isFinite ? "it takes weight 1, or 0 to leave it out" : nil)
  }
}

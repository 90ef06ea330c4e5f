internal import RealModule

/// One way to write all numbers of a table, so that their points stand below each other: as many digits
/// after the point as give the greatest three digits, or powers of ten where that would hide the least.
struct AlignedNumbers: Sendable {
  /// Digits after the point; nil for powers of ten.
  private let digits: Int?

  init(_ values: [Double]) {
    let sizes = values.filter { $0.isFinite && $0 != 0 }.map(\.magnitude)
    guard let least = sizes.min(), let greatest = sizes.max() else {
      digits = 0
      return
    }
    let isWhole = sizes.allSatisfy { $0 == $0.rounded() }
    guard greatest < 1e6, greatest >= 1e-3, greatest / least < 1000 || isWhole else {
      digits = nil
      return
    }
    let before = Int(Double.log10(greatest).rounded(.down))
    digits = isWhole ? 0 : max(0, 2 - before + (greatest / least >= 100 ? 1 : 0))
  }

  /// A number as the table has it.
  func text(_ value: Double) -> String {
    guard value.isFinite else { return value.short }
    guard value != 0 else { return "0" }
    guard let digits else { return scientific(value) }
    return fixed(value, digits)
  }

  private func scientific(_ value: Double) -> String {
    var exponent = Int(Double.log10(value.magnitude).rounded(.down))
    // In two steps: 10 to the power of 320 is no number.
    var mantissa =
      value / Double.pow(10, Double(exponent / 2)) / Double.pow(10, Double(exponent - exponent / 2))
    if mantissa.magnitude >= 9.995 { (mantissa, exponent) = (mantissa / 10, exponent + 1) }
    if mantissa.magnitude < 0.9995 { (mantissa, exponent) = (mantissa * 10, exponent - 1) }
    return "\(fixed(mantissa, 2))e\(exponent)"
  }

  private func fixed(_ value: Double, _ digits: Int) -> String {
    let scaled = (value.magnitude * Double.pow(10, Double(digits))).rounded()
    guard scaled < 1e15 else { return value.short }
    var text = "\(Int(scaled))"
    if digits > 0 {
      text = String(repeating: "0", count: max(0, digits + 1 - text.count)) + text
      text = "\(text.dropLast(digits)).\(text.suffix(digits))"
    }
    return value < 0 && scaled > 0 ? "-" + text : text
  }
}

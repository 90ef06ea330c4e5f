internal import RealModule

/// How the upright axis of a plot is divided.
package enum PlotScale: Sendable {
  /// By differences.
  case linear
  /// By ratios; what is not positive has no place on it.
  case logarithmic
}

/// The upright axis that the plots of one grid share, so that they can be compared.
struct PlotAxis: Sendable {
  private let scale: PlotScale
  private let lower: Double
  private let upper: Double

  /// An axis over all values that have a place on it, with a round number at each end; nil if none has.
  init?(_ values: [Double], scale: PlotScale) {
    let usable = values.filter { $0.isFinite && (scale == .linear || $0 > 0) }
    guard let least = usable.min(), let greatest = usable.max() else { return nil }
    guard (greatest - least).isFinite else { return nil }
    self.scale = scale
    switch scale {
    case .linear:
      let step = Self.step(of: greatest - least, parts: 4)
      lower = (least / step).rounded(.down) * step
      upper = max((greatest / step).rounded(.up) * step, lower + step)
    case .logarithmic:
      lower = Double.log10(Self.round(least, up: false))
      upper = max(Double.log10(Self.round(greatest, up: true)), lower + Double.log10(2))
    }
    guard lower.isFinite, upper.isFinite, lower < upper else { return nil }
  }

  /// Where a value is: 0 at the lower end, 1 at the upper; nil where it has no place.
  func position(of value: Double) -> Double? {
    guard value.isFinite, scale == .linear || value > 0 else { return nil }
    let place = scale == .linear ? value : Double.log10(value)
    return min(max((place - lower) / (upper - lower), 0), 1)
  }

  /// Round numbers along the axis, at most seven.
  var ticks: [Double] {
    switch scale {
    case .linear:
      let step = Self.step(of: upper - lower, parts: 4)
      let first = (lower / step).rounded(.up)
      return (0...6).map { (first + Double($0)) * step }.filter { $0 <= upper + step / 1000 }
    case .logarithmic:
      let exponents = Int(lower.rounded(.down))...Int(upper.rounded(.up))
      let fine = exponents.flatMap { exponent in
        [1, 2, 5].map { $0 * Double.pow(10, Double(exponent)) }
      }
      let stride = (exponents.count + 5) / 6
      let coarse = exponents.filter { $0 % stride == 0 }.map { Double.pow(10, Double($0)) }
      let inside = { (value: Double) in
        (self.lower - 1e-9...self.upper + 1e-9).contains(Double.log10(value))
      }
      let (all, few) = (fine.filter(inside), coarse.filter(inside))
      return all.count <= 6 || few.count < 2 ? Array(all.prefix(7)) : few
    }
  }

  /// A round number, short: `0.5`, `2·10⁻⁴`.
  static func label(_ value: Double) -> Shown {
    guard value > 0, value.isFinite, value < 0.01 || value >= 1e4 else { return Shown(value.short) }
    let exponent = Int((Double.log10(value) + 1e-9).rounded(.down))
    let factor = (value / Double.pow(10, Double(exponent))).rounded()
    let digits = "\(exponent)".map { superscripts[$0] ?? "" }.joined()
    return Shown((factor == 1 ? "" : "\(factor.short)·") + "10\(digits)")
  }

  private static let superscripts: [Character: String] = [
    "-": "⁻", "0": "⁰", "1": "¹", "2": "²", "3": "³", "4": "⁴", "5": "⁵", "6": "⁶", "7": "⁷",
    "8": "⁸",
    "9": "⁹",
  ]

  /// 1, 2 or 5 times a power of ten, so that a length has about so many parts.
  private static func step(of length: Double, parts: Double) -> Double {
    guard length > 0 else { return 1 }
    return round(length / parts, up: true)
  }

  /// The next number of the form 1, 2 or 5 times a power of ten.
  private static func round(_ value: Double, up: Bool) -> Double {
    guard value >= 1e-300, value <= 1e300 else { return value }
    let power = Double.pow(10, Double.log10(value).rounded(.down))
    let factor = value / power
    let near = 1e-9
    if up {
      return (factor <= 1 + near ? 1 : factor <= 2 + near ? 2 : factor <= 5 + near ? 5 : 10) * power
    }
    return (factor >= 5 - near ? 5 : factor >= 2 - near ? 2 : 1) * power
  }
}

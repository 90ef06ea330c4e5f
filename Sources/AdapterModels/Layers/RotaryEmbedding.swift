internal import RealModule

/// Rotary position embeddings (arXiv:2104.09864) in the form of Llama: element i of the part of a head that is
/// turned is paired with element i + half.
struct RotaryEmbedding: Sendable {
  /// Radians per position, for each pair.
  private let frequencies: [Double]
  /// The factor for cosines and sines.
  private let gain: Float

  /// How a configuration asks for them.
  struct Rule: Sendable, Hashable {
    let base: Double
    var scaling = Scaling.none
    /// How much of a head is turned, from its beginning on.
    var share = 1.0
    /// How many positions they are for; nil for no limit.
    var positionCount: Int?

    /// How many elements of a head are turned; nil where these are no pairs.
    func width(ofHead headDimension: Int) -> Int? {
      guard share > 0, share <= 1 else { return nil }
      let width = Int(Double(headDimension) * share)
      return width > 0 && width.isMultiple(of: 2) ? width : nil
    }
  }

  /// How frequencies are changed for longer texts.
  enum Scaling: Sendable, Hashable {
    /// Not at all.
    case none
    /// All divided by a factor (arXiv:2306.15595).
    case linear(factor: Double)
    /// Llama 3.1's: low ones divided, high ones kept, those between blended.
    case llama3(factor: Double, low: Double, high: Double, originalPositions: Double)
    /// Each divided by a factor of its own, and what is turned made longer (LongRoPE, arXiv:2402.13753).
    case each(factors: [Double], gain: Double)
  }

  /// - Parameters:
  ///   - rule: what a configuration says.
  ///   - width: elements of a head that are turned.
  init(_ rule: Rule, width: Int) {
    if case .each(_, let longer) = rule.scaling { gain = Float(longer) } else { gain = 1 }
    frequencies = (0..<width / 2).map { pair in
      let frequency = Double.pow(rule.base, -Double(2 * pair) / Double(width))
      switch rule.scaling {
      case .none: return frequency
      case .linear(let factor): return frequency / factor
      case .each(let factors, _): return frequency / (pair < factors.count ? factors[pair] : 1)
      case .llama3(let factor, let low, let high, let original):
        let turns = original * frequency / (2 * .pi)
        if turns < low { return frequency / factor }
        if turns > high { return frequency }
        let share = (turns - low) / (high - low)
        return (1 - share) * frequency / factor + share * frequency
      }
    }
  }

  /// How many elements of a head are turned.
  var width: Int { 2 * frequencies.count }

  /// Cosines, and then sines, of one position's angles.
  func angles(at position: Int, into result: UnsafeMutableBufferPointer<Float>) {
    for (pair, frequency) in frequencies.enumerated() {
      // As everywhere, the frequency is F32 and so is its product with the position.
      let angle = Double(Float(frequency) * Float(position))
      unsafe result[pair] = gain * Float(Double.cos(angle))
      unsafe result[frequencies.count + pair] = gain * Float(Double.sin(angle))
    }
  }

  /// Turns every head of a row, or its beginning.
  func rotate(
    _ row: UnsafeMutableBufferPointer<Float>, headDimension: Int,
    by angles: UnsafeMutableBufferPointer<Float>
  ) {
    let half = frequencies.count
    for head in stride(from: 0, to: row.count, by: headDimension) {
      for pair in 0..<half {
        let (x, y) = unsafe (row[head + pair], row[head + half + pair])
        let (cosine, sine) = unsafe (angles[pair], angles[half + pair])
        unsafe row[head + pair] = x * cosine - y * sine
        unsafe row[head + half + pair] = y * cosine + x * sine
      }
    }
  }
}

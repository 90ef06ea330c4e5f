internal import RealModule

/// Rotary position embeddings (arXiv:2104.09864) in the form of Llama: element i of a head is paired with
/// element i + half.
struct RotaryEmbedding: Sendable {
  /// Radians per position, for each pair.
  private let frequencies: [Double]

  /// How frequencies are changed for longer texts.
  enum Scaling: Sendable, Hashable {
    /// Not at all.
    case none
    /// All divided by a factor (arXiv:2306.15595).
    case linear(factor: Double)
    /// Llama 3.1's: low ones divided, high ones kept, those between blended.
    case llama3(factor: Double, low: Double, high: Double, originalPositions: Double)
  }

  init(headDimension: Int, base: Double, scaling: Scaling) {
    frequencies = (0..<headDimension / 2).map { pair in
      let frequency = Double.pow(base, -Double(2 * pair) / Double(headDimension))
      switch scaling {
      case .none: return frequency
      case .linear(let factor): return frequency / factor
      case .llama3(let factor, let low, let high, let original):
        let turns = original * frequency / (2 * .pi)
        if turns < low { return frequency / factor }
        if turns > high { return frequency }
        let share = (turns - low) / (high - low)
        return (1 - share) * frequency / factor + share * frequency
      }
    }
  }

  /// Cosines, and then sines, of one position's angles.
  func angles(at position: Int, into result: UnsafeMutableBufferPointer<Float>) {
    for (pair, frequency) in frequencies.enumerated() {
      // As everywhere, the frequency is F32 and so is its product with the position.
      let angle = Double(Float(frequency) * Float(position))
      unsafe result[pair] = Float(Double.cos(angle))
      unsafe result[frequencies.count + pair] = Float(Double.sin(angle))
    }
  }

  /// Turns every head of a row.
  func rotate(
    _ row: UnsafeMutableBufferPointer<Float>, headDimension: Int,
    by angles: UnsafeMutableBufferPointer<Float>
  ) {
    let half = headDimension / 2
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

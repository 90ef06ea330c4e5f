internal import CPlatform
internal import RealModule

/// Functions on rows.
enum Functions {
  /// The kernels are for AVX2 with FMA.
  private static let hasKernels = platform_has_fma() != 0

  /// Layer normalisation (arXiv:1607.06450): (x − mean) / √(variance + ε) ⊙ weight + bias.
  static func layerNorm(
    _ x: UnsafeMutableBufferPointer<Float>, weight: [Float], bias: [Float], epsilon: Float,
    into y: UnsafeMutableBufferPointer<Float>
  ) {
    let count = x.count
    var (sum, squares) = (0.0, 0.0)
    for index in 0..<count { unsafe sum += Double(x[index]) }
    let mean = sum / Double(count)
    for index in 0..<count {
      let distance = unsafe Double(x[index]) - mean
      squares += distance * distance
    }
    let factor = Float(1 / (squares / Double(count) + Double(epsilon)).squareRoot())
    let offset = Float(mean)
    unsafe weight.withUnsafeBufferPointer { weight in
      unsafe bias.withUnsafeBufferPointer { bias in
        for index in 0..<count {
          unsafe y[index] = (x[index] - offset) * factor * weight[index] + bias[index]
        }
      }
    }
  }

  /// Root mean square normalisation (arXiv:1910.07467): x / √(mean of x² + ε) ⊙ (origin + weight).
  static func rootMeanSquareNorm(
    _ x: UnsafeMutableBufferPointer<Float>, weight: [Float], origin: Float, epsilon: Float,
    into y: UnsafeMutableBufferPointer<Float>
  ) {
    let count = x.count
    guard let start = x.baseAddress else { return }
    let squares = unsafe DotProducts.dot(start, start, count)
    let factor = 1 / (squares / Float(count) + epsilon).squareRoot()
    unsafe weight.withUnsafeBufferPointer { weight in
      for index in 0..<count { unsafe y[index] = x[index] * factor * (origin + weight[index]) }
    }
  }

  /// eˣ / Σ eˣ, in place.
  static func softmax(_ values: UnsafeMutableBufferPointer<Float>) {
    let count = values.count
    if hasKernels, let start = values.baseAddress {
      return unsafe platform_softmax(start, count)
    }
    var maximum = -Float.infinity
    for index in 0..<count {
      // Not `max`, which looks for a NaN.
      let value = unsafe values[index]
      maximum = value > maximum ? value : maximum
    }
    // The sum is a loop of its own: in its order, it would keep the other from becoming vector code.
    for index in 0..<count { unsafe values[index] = exponential(values[index] - maximum) }
    let factor = unsafe 1 / sum(UnsafeBufferPointer(values))
    for index in 0..<count { unsafe values[index] *= factor }
  }

  /// The sum of values, in eight sums at once.
  private static func sum(_ values: UnsafeBufferPointer<Float>) -> Float {
    var sums = SIMD8<Float>.zero
    let whole = values.count & ~7
    guard let start = values.baseAddress else { return 0 }
    for index in stride(from: 0, to: whole, by: 8) {
      unsafe sums += UnsafeRawPointer(start + index).loadUnaligned(as: SIMD8<Float>.self)
    }
    var sum = sums.sum()
    for index in whole..<values.count { unsafe sum += values[index] }
    return sum
  }

  /// SiLU of the gate times the other (SwiGLU, arXiv:2002.05202), into the gate.
  static func gatedSilu(_ gate: FloatRows, _ other: FloatRows) {
    inParts(of: gate) { range in
      let (gate, other) = unsafe (gate.elements, other.elements)
      if hasKernels, let gate = gate.baseAddress, let other = other.baseAddress {
        return unsafe platform_gated_silu(
          gate + range.lowerBound, other + range.lowerBound, range.count)
      }
      for index in range {
        let value = unsafe gate[index]
        unsafe gate[index] = value / (1 + exponential(-value)) * other[index]
      }
    }
  }

  /// GELU by tanh (arXiv:1606.08415, section 2), in place.
  static func tanhGELU(_ x: FloatRows) {
    inParts(of: x) { range in
      let x = unsafe x.elements
      for index in range { unsafe x[index] = tanhGELU(x[index]) }
    }
  }

  /// GELU by tanh of the gate times the other (GEGLU, arXiv:2002.05202), into the gate.
  static func gatedTanhGELU(_ gate: FloatRows, _ other: FloatRows) {
    inParts(of: gate) { range in
      let (gate, other) = unsafe (gate.elements, other.elements)
      for index in range { unsafe gate[index] = tanhGELU(gate[index]) * other[index] }
    }
  }

  @inline(__always)
  private static func tanhGELU(_ value: Float) -> Float {
    let inner = 0.797_884_560_802_865_4 * (value + 0.044715 * value * value * value)
    // tanh z = 1 − 2 / (e²ᶻ + 1)
    return value * (1 - 1 / (exponential(2 * inner) + 1))
  }

  /// c · tanh(x / c), in place: what is small stays as it is, and nothing passes ±c.
  static func softcap(_ values: UnsafeMutableBufferPointer<Float>, at cap: Float) {
    let factor = 1 / cap
    for index in 0..<values.count { unsafe values[index] = cap * tanh(factor * values[index]) }
  }

  /// tanh to 6 units in the last place. Near zero 1 − 2 / (e²ˣ + 1) would lose them, so there it is Taylor's
  /// series.
  @inline(__always)
  private static func tanh(_ x: Float) -> Float {
    let far = 1 - 2 / (exponential(2 * x) + 1)
    let square = x * x
    var p: Float = -8.863_235_5e-3
    p = p * square + 2.186_948_9e-2
    p = p * square - 5.396_825_4e-2
    p = p * square + 0.133_333_33
    p = p * square - 0.333_333_33
    let near = x + x * square * p
    return abs(x) < 0.35 ? near : far
  }

  /// GELU by the error function, in place.
  static func exactGELU(_ x: FloatRows) {
    inParts(of: x) { range in
      let x = unsafe x.elements
      for index in range {
        let value = unsafe x[index]
        unsafe x[index] = 0.5 * value * (1 + Float.erf(value * 0.707_106_781_186_547_6))
      }
    }
  }

  /// max(x, 0), in place.
  static func relu(_ x: FloatRows) {
    let x = unsafe x.elements
    for index in 0..<x.count { unsafe x[index] = max(x[index], 0) }
  }

  /// Elements in parts, shared among the threads where there are many.
  private static func inParts(of rows: FloatRows, _ body: @escaping (Range<Int>) -> Void) {
    let (count, size) = (rows.count * rows.width, 2048)
    WorkerPool.shared.run((count + size - 1) / size) { part in
      body(part * size..<min(count, (part + 1) * size))
    }
  }

  /// eˣ to 2 units in the last place, in a form that the compiler turns into vector code: x = n · ln 2 + r,
  /// |r| ≤ ln 2 / 2, and a polynomial for eʳ (W. J. Cody and W. Waite, Software Manual for the Elementary
  /// Functions, 1980, chapter 6; coefficients of Taylor's series to degree 7).
  @inline(__always)
  static func exponential(_ x: Float) -> Float {
    let x = min(max(x, -87), 88)
    // Adding 1.5 · 2²³ rounds to the nearest integer, and leaves it in the lowest bits.
    let shifted = x * 1.442_695 + 12_582_912
    let n = shifted - 12_582_912
    let r = (x - n * 0.693_359_375) + n * 2.121_944_4e-4
    var p: Float = 1.984_126_9e-4
    p = p * r + 1.388_888_9e-3
    p = p * r + 8.333_333_3e-3
    p = p * r + 4.166_666_7e-2
    p = p * r + 0.166_666_67
    p = p * r + 0.5
    p = p * r * r + r + 1
    let exponent = (shifted.bitPattern &+ 127) &<< 23
    return p * Float(bitPattern: exponent)
  }
}

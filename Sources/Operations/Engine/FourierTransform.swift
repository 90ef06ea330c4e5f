internal import RealModule

/// Inverse discrete Fourier transforms without their factor, x[k] = Σ z[q] · e^(2πi · qk / n), of four sequences at once:
/// each lane of a vector is one. Stockham's order, so that nothing has to be sorted, with a pass for each factor of n.
package struct FourierTransform<Scalar: ComputeScalar>: Sendable {
  package typealias Lanes = SIMD4<Scalar>

  /// n.
  package let count: Int
  private let radices: [Int]
  /// Cosine and sine of 2π · k / n.
  private let cosines: [Scalar]
  private let sines: [Scalar]

  /// A pass of a prime takes as many steps for an element as it has ones; beyond that a transform is not worth it.
  private static var largestRadix: Int { 128 }

  /// Prepares transforms of one length; nil where its largest prime is too large.
  package init?(count: Int) {
    guard count > 0 else { return nil }
    self.count = count
    var (rest, radices) = (count, [Int]())
    // Fours first, which take the fewest steps; what is left of a number has no divisors but primes then.
    for radix in [4, 2] + (3...Self.largestRadix) {
      while rest.isMultiple(of: radix) {
        radices.append(radix)
        rest /= radix
      }
    }
    guard rest == 1 else { return nil }
    self.radices = radices
    let turns = Turns(count)
    cosines = turns.cosines.map(Scalar.init)
    sines = turns.sines.map(Scalar.init)
  }

  /// Real and imaginary parts of four sequences, and as much room again.
  package struct Values {
    package fileprivate(set) var real: [Lanes]
    package fileprivate(set) var imaginary: [Lanes]
    private var nextReal: [Lanes]
    private var nextImaginary: [Lanes]

    package init(count: Int) {
      real = Array(repeating: .zero, count: count)
      (imaginary, nextReal, nextImaginary) = (real, real, real)
    }

    /// Makes all of them 0.
    package mutating func clear() {
      for index in real.indices { real[index] = .zero }
      for index in imaginary.indices { imaginary[index] = .zero }
    }

    /// Adds to one element of each.
    @inline(__always)
    package mutating func add(_ real: Lanes, _ imaginary: Lanes, at index: Int) {
      self.real[index] += real
      self.imaginary[index] += imaginary
    }

    /// One pass from these to the room, which then has changed places with them.
    fileprivate mutating func pass(
      _ body: (
        _ from: (UnsafePointer<Lanes>, UnsafePointer<Lanes>),
        _ to: (UnsafeMutablePointer<Lanes>, UnsafeMutablePointer<Lanes>)
      ) -> Void
    ) {
      unsafe real.withUnsafeBufferPointer { real in
        unsafe imaginary.withUnsafeBufferPointer { imaginary in
          unsafe nextReal.withUnsafeMutableBufferPointer { nextReal in
            unsafe nextImaginary.withUnsafeMutableBufferPointer { nextImaginary in
              guard let a = real.baseAddress, let b = imaginary.baseAddress,
                let c = nextReal.baseAddress, let d = nextImaginary.baseAddress
              else { return }
              unsafe body((a, b), (c, d))
            }
          }
        }
      }
      swap(&real, &nextReal)
      swap(&imaginary, &nextImaginary)
    }
  }

  /// Transforms four sequences in place.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  package func apply(to values: inout Values) {
    precondition(values.real.count == count)
    var (length, stride) = (count, 1)
    for radix in radices {
      let parts = length / radix
      let step = Step(radix: radix, parts: parts, stride: stride, turn: count / length)
      unsafe values.pass { from, to in
        unsafe radix == 4 ? passOfFour(step, from, to) : pass(step, from, to)
      }
      length = parts
      stride *= radix
    }
  }

  /// Where one pass finds and puts what: of sequences of radix · parts elements, each `stride` times, it makes
  /// radix · stride of `parts` elements.
  private struct Step {
    let radix: Int
    let parts: Int
    let stride: Int
    /// How far apart the turns between two parts are.
    let turn: Int
  }

  @inline(__always)
  private func passOfFour(
    _ step: Step, _ from: (UnsafePointer<Lanes>, UnsafePointer<Lanes>),
    _ to: (UnsafeMutablePointer<Lanes>, UnsafeMutablePointer<Lanes>)
  ) {
    let jump = step.stride * step.parts
    for part in 0..<step.parts {
      let turn = part * step.turn
      let (c1, s1) = (cosines[turn], sines[turn])
      let (c2, s2) = (cosines[2 * turn], sines[2 * turn])
      let (c3, s3) = (cosines[3 * turn], sines[3 * turn])
      for place in 0..<step.stride {
        let source = place &+ step.stride &* part
        let target = place &+ step.stride &* (4 &* part)
        let (ar, ai) = unsafe (from.0[source], from.1[source])
        let (br, bi) = unsafe (from.0[source &+ jump], from.1[source &+ jump])
        let (cr, ci) = unsafe (from.0[source &+ 2 &* jump], from.1[source &+ 2 &* jump])
        let (dr, di) = unsafe (from.0[source &+ 3 &* jump], from.1[source &+ 3 &* jump])
        let (pr, pi, mr, mi) = (ar + cr, ai + ci, ar - cr, ai - ci)
        // i · (b − d).
        let (qr, qi, nr, ni) = (br + dr, bi + di, di - bi, br - dr)
        unsafe to.0[target] = pr + qr
        unsafe to.1[target] = pi + qi
        let (er, ei, fr, fi) = (mr + nr, mi + ni, pr - qr, pi - qi)
        let (gr, gi) = (mr - nr, mi - ni)
        unsafe to.0[target &+ step.stride] = er * c1 - ei * s1
        unsafe to.1[target &+ step.stride] = er * s1 + ei * c1
        unsafe to.0[target &+ 2 &* step.stride] = fr * c2 - fi * s2
        unsafe to.1[target &+ 2 &* step.stride] = fr * s2 + fi * c2
        unsafe to.0[target &+ 3 &* step.stride] = gr * c3 - gi * s3
        unsafe to.1[target &+ 3 &* step.stride] = gr * s3 + gi * c3
      }
    }
  }

  @inline(__always)
  private func pass(
    _ step: Step, _ from: (UnsafePointer<Lanes>, UnsafePointer<Lanes>),
    _ to: (UnsafeMutablePointer<Lanes>, UnsafeMutablePointer<Lanes>)
  ) {
    let (jump, circle) = (step.stride * step.parts, count / step.radix)
    for part in 0..<step.parts {
      for output in 0..<step.radix {
        let (cosine, sine) = (
          cosines[part * output * step.turn], sines[part * output * step.turn]
        )
        for place in 0..<step.stride {
          let source = place &+ step.stride &* part
          var (real, imaginary) = unsafe (from.0[source], from.1[source])
          for input in 1..<step.radix {
            let turn = output &* input % step.radix &* circle
            let (r, i) = unsafe (from.0[source &+ input &* jump], from.1[source &+ input &* jump])
            real += r * cosines[turn] - i * sines[turn]
            imaginary += r * sines[turn] + i * cosines[turn]
          }
          let target = place &+ step.stride &* (step.radix &* part &+ output)
          unsafe to.0[target] = real * cosine - imaginary * sine
          unsafe to.1[target] = real * sine + imaginary * cosine
        }
      }
    }
  }
}

/// Cosine and sine of 2π · k / count, for every k.
struct Turns: Sendable {
  let cosines: [Double]
  let sines: [Double]

  init(_ count: Int) {
    let angles = (0..<count).map { 2 * Double.pi * Double($0) / Double(count) }
    (cosines, sines) = (angles.map(Double.cos), angles.map(Double.sin))
  }
}

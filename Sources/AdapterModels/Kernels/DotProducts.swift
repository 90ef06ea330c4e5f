internal import CPlatform

// Products of stored weights with a vector, by the kernels of rows.h, or in Swift where the processor lacks their
// instructions. Reading a weight is the whole cost of making a token, so a weight is widened in registers, and in Swift
// four rows share what is loaded of the vector.
//
// Two 16-bit weights that lie beside each other are widened by one shift (the lower) and one mask (the
// upper), which puts the even and the odd places of sixteen apart; the vector is put in that order once.

/// A vector in the order in which 16-bit weights are widened: of every sixteen, the even places first.
func unzip(
  _ values: UnsafeMutableBufferPointer<Float>, into result: UnsafeMutableBufferPointer<Float>
) {
  let whole = values.count & ~15
  for start in stride(from: 0, to: whole, by: 16) {
    for place in 0..<8 {
      unsafe result[start &+ place] = values[start &+ 2 &* place]
      unsafe result[start &+ 8 &+ place] = values[start &+ 2 &* place &+ 1]
    }
  }
  for place in whole..<values.count { unsafe result[place] = values[place] }
}

/// Where in such a vector the four even places of eight are; the odd ones are eight further.
@inline(__always)
private func evenPlaces(_ place: Int) -> Int { (place & ~15) &+ (place & 8) / 2 }

/// Widens eight 16-bit weights to the even and the odd places.
private protocol Widening {
  static func pairs(_ bits: SIMD4<UInt32>) -> (even: SIMD4<Float>, odd: SIMD4<Float>)
  static func one(_ bits: UInt16) -> Float
}

private enum BrainFloat: Widening {
  @inline(__always)
  static func pairs(_ bits: SIMD4<UInt32>) -> (even: SIMD4<Float>, odd: SIMD4<Float>) {
    unsafe (
      unsafeBitCast(bits &<< SIMD4(repeating: 16), to: SIMD4<Float>.self),
      unsafeBitCast(bits & SIMD4(repeating: 0xFFFF_0000), to: SIMD4<Float>.self)
    )
  }

  @inline(__always)
  static func one(_ bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) &<< 16) }
}

/// F16: the exponent's bias is corrected by a multiplication, which is exact for subnormals too. An
/// infinity or a NaN among the weights is refused when they are loaded.
private enum HalfFloat: Widening {
  @inline(__always)
  static func pairs(_ bits: SIMD4<UInt32>) -> (even: SIMD4<Float>, odd: SIMD4<Float>) {
    (widen(bits & SIMD4(repeating: 0xFFFF)), widen(bits &>> SIMD4(repeating: 16)))
  }

  @inline(__always)
  private static func widen(_ bits: SIMD4<UInt32>) -> SIMD4<Float> {
    let magnitude = (bits & SIMD4(repeating: 0x7FFF)) &<< SIMD4(repeating: 13)
    let sign = (bits & SIMD4(repeating: 0x8000)) &<< SIMD4(repeating: 16)
    return unsafe unsafeBitCast(magnitude | sign, to: SIMD4<Float>.self) * 0x1p112
  }

  @inline(__always)
  static func one(_ bits: UInt16) -> Float {
    Float(bitPattern: UInt32(bits & 0x7FFF) &<< 13 | UInt32(bits & 0x8000) &<< 16) * 0x1p112
  }
}

/// The products of four rows of BF16 or F16 weights, `stride` elements apart, with an unzipped vector.
@inline(__always)
private func fourDots<Kind: Widening>(
  _ kind: Kind.Type, _ weights: UnsafePointer<UInt16>, stride: Int, _ x: UnsafePointer<Float>,
  _ count: Int
) -> SIMD4<Float> {
  var (a, b) = (SIMD4<Float>.zero, SIMD4<Float>.zero)
  var (c, d) = (SIMD4<Float>.zero, SIMD4<Float>.zero)
  var (e, f) = (SIMD4<Float>.zero, SIMD4<Float>.zero)
  var (g, h) = (SIMD4<Float>.zero, SIMD4<Float>.zero)
  let rows = unsafe (
    UnsafeRawPointer(weights), UnsafeRawPointer(weights + stride),
    UnsafeRawPointer(weights + 2 &* stride), UnsafeRawPointer(weights + 3 &* stride)
  )
  let vector = unsafe UnsafeRawPointer(x)
  let whole = count & ~15
  let next = unsafe rows.0 + 8 &* stride
  var place = 0
  while place < whole {
    // Each step reads 64 bytes of these rows, and asks for 64 bytes of the next four: the processor by itself
    // foresees nothing where rows are short.
    unsafe platform_prefetch(next + 8 &* place)
    let start = evenPlaces(place) &* 4
    let even = unsafe vector.loadUnaligned(fromByteOffset: start, as: SIMD4<Float>.self)
    let odd = unsafe vector.loadUnaligned(fromByteOffset: start &+ 32, as: SIMD4<Float>.self)
    let bits = unsafe (
      rows.0.loadUnaligned(fromByteOffset: place &* 2, as: SIMD4<UInt32>.self),
      rows.1.loadUnaligned(fromByteOffset: place &* 2, as: SIMD4<UInt32>.self),
      rows.2.loadUnaligned(fromByteOffset: place &* 2, as: SIMD4<UInt32>.self),
      rows.3.loadUnaligned(fromByteOffset: place &* 2, as: SIMD4<UInt32>.self)
    )
    let (w0, w1) = (Kind.pairs(bits.0), Kind.pairs(bits.1))
    let (w2, w3) = (Kind.pairs(bits.2), Kind.pairs(bits.3))
    a += w0.even * even
    b += w0.odd * odd
    c += w1.even * even
    d += w1.odd * odd
    e += w2.even * even
    f += w2.odd * odd
    g += w3.even * even
    h += w3.odd * odd
    place &+= 8
  }
  var sums = SIMD4((a + b).sum(), (c + d).sum(), (e + f).sum(), (g + h).sum())
  while place < count {
    for row in 0..<4 {
      let weight = unsafe Kind.one(weights[row &* stride &+ place])
      sums[row] += unsafe weight * x[place]
    }
    place &+= 1
  }
  return sums
}

@inline(__always)
private func oneDot<Kind: Widening>(
  _ kind: Kind.Type, _ weights: UnsafePointer<UInt16>, _ x: UnsafePointer<Float>, _ count: Int
) -> Float {
  var (a, b) = (SIMD4<Float>.zero, SIMD4<Float>.zero)
  let (row, vector) = unsafe (UnsafeRawPointer(weights), UnsafeRawPointer(x))
  let whole = count & ~15
  for place in Swift.stride(from: 0, to: whole, by: 8) {
    let start = evenPlaces(place) &* 4
    let bits = unsafe row.loadUnaligned(fromByteOffset: place &* 2, as: SIMD4<UInt32>.self)
    let weights = Kind.pairs(bits)
    a +=
      unsafe weights.even
      * vector.loadUnaligned(fromByteOffset: start, as: SIMD4<Float>.self)
    b +=
      unsafe weights.odd
      * vector.loadUnaligned(fromByteOffset: start &+ 32, as: SIMD4<Float>.self)
  }
  var sum = (a + b).sum()
  for place in whole..<count { sum += unsafe Kind.one(weights[place]) * x[place] }
  return sum
}

/// Products of rows of stored weights with one vector.
enum DotProducts {
  /// The kernel is for AVX2 with FMA.
  private static let hasKernel = platform_has_fma() != 0

  /// y[row] = W[row, :] · x, W of BF16; x unzipped.
  static func brainFloat(
    _ weights: UnsafePointer<UInt16>, width: Int, rows: Int, _ x: UnsafePointer<Float>,
    into y: UnsafeMutablePointer<Float>
  ) {
    if hasKernel { return unsafe platform_rows_bf16(weights, width, rows, x, y) }
    unsafe rowsOf16(BrainFloat.self, weights, width, rows, x, y)
  }

  /// y[row] = W[row, :] · x, W of F16; x unzipped.
  static func halfFloat(
    _ weights: UnsafePointer<UInt16>, width: Int, rows: Int, _ x: UnsafePointer<Float>,
    into y: UnsafeMutablePointer<Float>
  ) {
    if hasKernel { return unsafe platform_rows_f16(weights, width, rows, x, y) }
    unsafe rowsOf16(HalfFloat.self, weights, width, rows, x, y)
  }

  @inline(__always)
  private static func rowsOf16<Kind: Widening>(
    _ kind: Kind.Type, _ weights: UnsafePointer<UInt16>, _ width: Int, _ rows: Int,
    _ x: UnsafePointer<Float>, _ y: UnsafeMutablePointer<Float>
  ) {
    let whole = rows & ~3
    for row in stride(from: 0, to: whole, by: 4) {
      let sums = unsafe fourDots(kind, weights + row &* width, stride: width, x, width)
      unsafe UnsafeMutableRawPointer(y + row).storeBytes(of: sums, as: SIMD4<Float>.self)
    }
    for row in whole..<rows {
      unsafe y[row] = oneDot(kind, weights + row &* width, x, width)
    }
  }

  /// y[row] = W[row, :] · x, W of F32.
  static func single(
    _ weights: UnsafePointer<Float>, width: Int, rows: Int, _ x: UnsafePointer<Float>,
    into y: UnsafeMutablePointer<Float>
  ) {
    if hasKernel { return unsafe platform_rows_f32(weights, width, rows, x, y) }
    for row in 0..<rows { unsafe y[row] = dot(weights + row &* width, x, width) }
  }

  /// Σ a · b.
  @inline(__always)
  static func dot(
    _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int
  ) -> Float {
    typealias Lanes = SIMD4<Float>
    var sums = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
    let (left, right) = unsafe (UnsafeRawPointer(a), UnsafeRawPointer(b))
    let whole = count & ~15
    for place in stride(from: 0, to: whole &* 4, by: 64) {
      unsafe sums.0 +=
        left.loadUnaligned(fromByteOffset: place, as: Lanes.self)
        * right.loadUnaligned(fromByteOffset: place, as: Lanes.self)
      unsafe sums.1 +=
        left.loadUnaligned(fromByteOffset: place &+ 16, as: Lanes.self)
        * right.loadUnaligned(fromByteOffset: place &+ 16, as: Lanes.self)
      unsafe sums.2 +=
        left.loadUnaligned(fromByteOffset: place &+ 32, as: Lanes.self)
        * right.loadUnaligned(fromByteOffset: place &+ 32, as: Lanes.self)
      unsafe sums.3 +=
        left.loadUnaligned(fromByteOffset: place &+ 48, as: Lanes.self)
        * right.loadUnaligned(fromByteOffset: place &+ 48, as: Lanes.self)
    }
    var sum = ((sums.0 + sums.1) + (sums.2 + sums.3)).sum()
    for place in whole..<max(whole, count) { sum += unsafe a[place] * b[place] }
    return sum
  }

  /// y ← y + factor · x.
  @inline(__always)
  static func add(
    _ x: UnsafePointer<Float>, times factor: Float, to y: UnsafeMutablePointer<Float>, _ count: Int
  ) {
    for place in 0..<count { unsafe y[place] += factor * x[place] }
  }
}

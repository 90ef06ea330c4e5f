#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// Chooses how each plane is compressed, by a cheap look at a sample of it.
///
/// The mantissa planes of trained weights are noise: storing them costs nothing and loses nothing.
/// The exponent plane has few values and no order: entropy coding alone is both smaller and several
/// times faster than a search for matches. Only data with structure is worth a search.
struct PlaneCompressor {
  private let entropy = FrameCompressor(.entropy)
  private let matches = FrameCompressor(.matches(level: 3))

  /// Appends the frame of a plane of at least one byte.
  func append(_ plane: UnsafeRawBufferPointer, to output: inout [UInt8]) throws(FormatError) {
    switch unsafe Self.choose(plane) {
    case .repeated(let byte): Frame.appendRepeated(byte, count: plane.count, to: &output)
    case .stored: unsafe Frame.appendStored(plane, to: &output)
    case .entropy: try unsafe entropy.append(plane, to: &output)
    case .matches: try unsafe matches.append(plane, to: &output)
    }
  }

  enum Choice: Equatable {
    case repeated(UInt8)
    case stored
    case entropy
    case matches
  }

  static func choose(_ plane: UnsafeRawBufferPointer) -> Choice {
    let first = unsafe plane[0]
    if unsafe isConstant(plane, first) { return .repeated(first) }
    let bits = unsafe sampledEntropy(plane)
    // A sample of 8,192 uniform bytes shows about 7.98 bits of the true 8.
    if bits > 7.96 { return .stored }
    // Below this, runs of one value cost entropy coding its minimum of a bit per byte.
    return bits < 1.5 ? .matches : .entropy
  }

  private static func isConstant(_ plane: UnsafeRawBufferPointer, _ byte: UInt8) -> Bool {
    var start = 0
    while start < plane.count {
      let end = min(start &+ 4096, plane.count)
      var difference: UInt8 = 0
      for index in start..<end { difference |= unsafe plane[index] ^ byte }
      if difference != 0 { return false }
      start = end
    }
    return true
  }

  /// The order-0 entropy, in bits per byte, of 16 evenly spaced runs of 512 bytes.
  private static func sampledEntropy(_ plane: UnsafeRawBufferPointer) -> Double {
    var counts = [Int32](repeating: 0, count: 256)
    let run = min(512, plane.count)
    let step = max(run, (plane.count - run) / 15)
    var total = 0
    var start = 0
    while start + run <= plane.count {
      for index in start..<start + run { counts[Int(unsafe plane[index])] &+= 1 }
      total += run
      start += step
    }
    var bits = 0.0
    for count in counts where count > 0 {
      let share = Double(count) / Double(total)
      bits -= share * log2(share)
    }
    // With fewer samples the estimate falls short of the truth by about (values − 1) / 2n ln 2.
    return total < 4096 ? min(bits, 7.9) : bits
  }
}

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// n · log2 n. The order-0 entropy of n bytes, in bits, is that of n minus those of how often each value occurs.
func nLogN(_ count: Int) -> Double {
  count == 0 ? 0 : Double(count) * log2(Double(count))
}

/// A cheap look at a plane.
enum PlaneSample {
  /// Units that are looked at: evenly spaced runs.
  static let (runs, run) = (32, 64)
  static let count = runs * run
  /// n · log2 n, for every n that a sample may count.
  private static let products: [Float] = (0...count).map {
    $0 == 0 ? 0 : Float($0) * log2(Float($0))
  }

  /// An estimate of the order-0 entropy, in bits per byte, of at least one byte and at most `count`.
  static func bitsPerByte(_ sample: UnsafeRawBufferPointer) -> Float {
    // Two tables, so that a value which comes twice in a row need not wait for itself.
    unsafe withUnsafeTemporaryAllocation(of: UInt16.self, capacity: 512) { counts in
      unsafe counts.initialize(repeating: 0)
      for index in 0..<sample.count {
        unsafe counts[index & 1 &<< 8 | Int(sample[index])] &+= 1
      }
      let total = Float(sample.count)
      var (sum, values) = (0 as Float, 0)
      for value in 0..<256 {
        let count = unsafe Int(counts[value] &+ counts[256 &+ value])
        sum += products[count]
        if count > 0 { values += 1 }
      }
      // A sample of n bytes shows about (values − 1) / 2n ln 2 less than there is (Miller and Madow).
      return log2(total) - sum / total + Float(values - 1) / (2 * total * 0.693_147)
    }
  }
}

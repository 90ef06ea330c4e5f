internal import CPlatform

/// Which kernels OpenBLAS should use where its own choice is one for lack of a better.
///
/// OpenBLAS picks them by a table of processors: 0.3.21 knows none of Intel's after Ice Lake, and gives one that it does
/// not know those of Prescott, of 2004. What a processor can do is asked of itself.
package enum BLASKernel {
  /// The vector instructions that programs may use.
  package struct Processor: OptionSet, Sendable {
    package let rawValue: Int
    /// Registers of 256 bits.
    package static let avx = Processor(rawValue: 1)
    /// AVX2 with fused multiplication and addition.
    package static let avx2 = Processor(rawValue: 2)
    /// AVX-512 F, CD, BW, DQ and VL, which Skylake's servers have.
    package static let avx512 = Processor(rawValue: 4)

    package init(rawValue: Int) { self.rawValue = rawValue }
  }

  /// Kernels that use nothing which a processor with AVX has more of.
  private static let old: Set<String> = [
    "Katmai", "Coppermine", "Northwood", "Banias", "Prescott", "Core2", "Penryn", "Dunnington",
    "Atom", "Nehalem", "Nano", "Athlon", "Opteron", "Opteron_SSE3", "Barcelona", "Bobcat",
    "Unknown",
  ]

  /// The kernels that a processor should get rather than those that the library has chosen; nil for its own choice.
  package static func better(than chosen: String, on processor: Processor) -> String? {
    let isOld = old.contains(chosen)
    // Sandy Bridge has AVX, and neither of the others.
    guard isOld || chosen == "Sandybridge" else { return nil }
    if processor.isSuperset(of: [.avx, .avx2, .avx512]) { return "SkylakeX" }
    if processor.isSuperset(of: [.avx, .avx2]) { return "Haswell" }
    return isOld && processor.contains(.avx) ? "Sandybridge" : nil
  }
}

extension BLASKernel.Processor {
  /// Of this processor, what its system lets programs use.
  package static var current: Self {
    Self(rawValue: Int(platform_vector_extensions()))
  }
}

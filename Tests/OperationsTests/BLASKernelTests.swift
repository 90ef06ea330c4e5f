import Foundation
import Operations
import Testing

@Suite struct BLASKernelTests {
  private static let server: BLASKernel.Processor = [.avx, .avx2, .avx512]

  /// A processor of the last ten years, in a library that has never heard of it.
  @Test(
    arguments: [
      ("Prescott", server, "SkylakeX"), ("Barcelona", server, "SkylakeX"),
      ("Sandybridge", server, "SkylakeX"), ("Prescott", [.avx, .avx2], "Haswell"),
      ("Nehalem", [.avx, .avx2], "Haswell"), ("Sandybridge", [.avx, .avx2], "Haswell"),
      ("Prescott", [.avx], "Sandybridge"), ("Unknown", [.avx, .avx2], "Haswell"),
    ] as [(String, BLASKernel.Processor, String)])
  func aFallbackGivesWay(chosen: String, processor: BLASKernel.Processor, better: String) {
    #expect(BLASKernel.better(than: chosen, on: processor) == better)
  }

  /// A choice that was made for the processor, and kernels of libraries to come.
  @Test(
    arguments: [
      ("Haswell", server), ("SkylakeX", server), ("Cooperlake", server), ("Sapphirerapids", server),
      ("Zen", [.avx, .avx2]), ("Excavator", [.avx, .avx2]), ("Sandybridge", [.avx]),
      ("Prescott", []), ("Nehalem", []), ("Lake after next", server), ("ARMV8", []),
    ] as [(String, BLASKernel.Processor)])
  func aChoiceStays(chosen: String, processor: BLASKernel.Processor) {
    #expect(BLASKernel.better(than: chosen, on: processor) == nil)
  }

  /// A virtual machine can show AVX-512 and hide what it builds on.
  @Test func noKernelIsChosenThatTheProcessorCannotRun() {
    for processor in [[.avx512], [.avx2], [.avx2, .avx512]] as [BLASKernel.Processor] {
      #expect(BLASKernel.better(than: "Prescott", on: processor) == nil)
    }
    #expect(BLASKernel.better(than: "Prescott", on: [.avx, .avx512]) == "Sandybridge")
  }

  #if os(Linux) && arch(x86_64)
    /// The library chooses when it is loaded; every x86-64 processor can run what Prescott could.
    @Test func theLibraryIsLoadedAgainForAnotherChoice() async {
      await #expect(processExitsWith: .success) {
        let kernels = try LinearAlgebra.kernelsAfterLoading { _ in "Prescott" }
        try #require(kernels == "Prescott")
      }
    }
  #endif
}

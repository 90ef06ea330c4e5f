#if !canImport(Darwin)
  internal import COpenBLAS
  internal import Dispatch
  internal import Storage

  extension BLAS {
    /// A number of places, which threads take and give back.
    final class Room: Sendable {
      private let places: DispatchSemaphore

      init(_ count: Int) { places = DispatchSemaphore(value: count) }

      func wait() { places.wait() }
      func signal() { places.signal() }
    }

    /// The library, or why it is not there.
    static let loaded = Result { () throws(LinearAlgebraError) in try BLAS() }

    private init() throws(LinearAlgebraError) {
      guard
        Platform.hasAddressSpace(Self.libraryByteCount + Self.memoryByteCount + Self.spareByteCount)
      else { throw Self.tooLittleSpace }
      var functions = blas_functions()
      try Self.load(&functions)
      guard let sgemm = unsafe functions.sgemm, let dgemm = unsafe functions.dgemm,
        let dsyrk = unsafe functions.dsyrk, let dgesv = unsafe functions.dgesv,
        let dgeqrf = unsafe functions.dgeqrf, let dgesdd = unsafe functions.dgesdd,
        let setThreadCount = functions.set_num_threads
      else { throw Self.missing("it lacks functions") }
      setThreadCount(1)
      let room = try Self.claimMemory(functions)
      unsafe self.init(
        sgemm: sgemm, dgemm: dgemm, dsyrk: dsyrk, dgesv: dgesv, dgeqrf: dgeqrf, dgesdd: dgesdd,
        room: room)
    }

    private static func missing(_ why: String) -> LinearAlgebraError {
      LinearAlgebraError(
        description:
          "matrices cannot be multiplied: OpenBLAS, of the package libopenblas0, cannot be loaded: "
          + why)
    }

    private static func load(_ functions: inout blas_functions) throws(LinearAlgebraError) {
      var reasons: [String] = []
      // Threads of its own would wait for memory that there is not, and for work that there is not either.
      Platform.withEnvironment("OPENBLAS_NUM_THREADS", "1") {
        for name in ["libopenblas.so.0", "libopenblas.so"] {
          guard let reason = unsafe blas_load(name, &functions) else { return reasons = [] }
          unsafe reasons.append(String(cString: reason))
        }
      }
      if let reason = reasons.first { throw missing(reason) }
    }

    /// Every thread that is in the library works in 128 MiB of address space, and waits for them for ever where they
    /// cannot be had. They are claimed here, for as many threads as there is room for.
    ///
    /// - Returns: what lets only so many threads in; nil where all can be.
    /// - Throws: `LinearAlgebraError` where there is no room for one.
    private static func claimMemory(
      _ functions: blas_functions
    ) throws(LinearAlgebraError) -> Room? {
      guard let allocate = unsafe functions.memory_alloc, let free = unsafe functions.memory_free
      else {
        return nil
      }
      let wanted = ConcurrentWork.threadLimit
      var memory = unsafe [UnsafeMutableRawPointer?]()
      var count = 0
      while count < wanted, Platform.hasAddressSpace(memoryByteCount + spareByteCount) {
        unsafe memory.append(allocate(0))
        count += 1
      }
      for place in 0..<count { unsafe free(memory[place]) }
      guard count > 0 else { throw tooLittleSpace }
      return count == wanted ? nil : Room(count)
    }

    private static let tooLittleSpace = LinearAlgebraError(
      description:
        "matrices cannot be multiplied: that takes 240 MiB more of address space than this process may "
        + "have: allow it more (ulimit -v)")

    private static let libraryByteCount = 48 << 20
    private static let memoryByteCount = 128 << 20
    /// What is left for all else.
    private static let spareByteCount = 64 << 20
  }
#endif

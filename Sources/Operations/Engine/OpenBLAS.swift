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
      let functions = try Self.load { chosen in
        // Who has named one has a reason.
        Platform.hasEnvironment(Self.kernelVariable)
          ? nil : BLASKernel.better(than: chosen, on: .current)
      }
      guard let sgemm = unsafe functions.sgemm, let dgemm = unsafe functions.dgemm,
        let dsyrk = unsafe functions.dsyrk, let dtrsm = unsafe functions.dtrsm,
        let dgesv = unsafe functions.dgesv, let dpotrf = unsafe functions.dpotrf,
        let dgeqrf = unsafe functions.dgeqrf, let dorgqr = unsafe functions.dorgqr,
        let dtrcon = unsafe functions.dtrcon, let dgesdd = unsafe functions.dgesdd,
        let setThreadCount = functions.set_num_threads
      else { throw Self.missing("it lacks functions") }
      setThreadCount(1)
      let room = try Self.claimMemory(functions)
      unsafe self.init(
        name: "OpenBLAS" + (Self.kernel(of: functions).map { " for \($0)" } ?? ""),
        sgemm: sgemm, dgemm: dgemm, dsyrk: dsyrk, dtrsm: dtrsm, dgesv: dgesv, dpotrf: dpotrf,
        dgeqrf: dgeqrf, dorgqr: dorgqr, dtrcon: dtrcon, dgesdd: dgesdd, room: room)
    }

    private static func missing(_ why: String) -> LinearAlgebraError {
      LinearAlgebraError(
        description:
          "matrices cannot be multiplied: OpenBLAS, of the package libopenblas0, cannot be loaded: "
          + why)
    }

    /// Loads the library; it chooses its kernels meanwhile, so that another choice means to load it again.
    ///
    /// - Parameter better: kernels that it should use rather than those that it has chosen; nil for these.
    /// - Throws: `LinearAlgebraError` where it cannot be loaded.
    /// - Returns: its functions.
    static func load(
      preferring better: (String) -> String?
    ) throws(LinearAlgebraError) -> blas_functions {
      // Threads of its own would wait for memory that there is not, and for work that there is not either.
      let result = Platform.withEnvironment("OPENBLAS_NUM_THREADS", "1") {
        () -> Result<blas_functions, LinearAlgebraError> in
        Result { () throws(LinearAlgebraError) in
          let first = unsafe try loadOnce()
          guard let chosen = unsafe kernel(of: first.functions), let better = better(chosen) else {
            return unsafe first.functions
          }
          unsafe blas_unload(first.handle)
          return try Platform.withEnvironment(kernelVariable, better) {
            Result { () throws(LinearAlgebraError) in unsafe try loadOnce().functions }
          }.get()
        }
      }
      return try result.get()
    }

    private static func loadOnce() throws(LinearAlgebraError) -> (
      handle: UnsafeMutableRawPointer?, functions: blas_functions
    ) {
      var functions = blas_functions()
      var handle: UnsafeMutableRawPointer?
      var firstReason: String?
      for name in ["libopenblas.so.0", "libopenblas.so"] {
        guard let reason = unsafe blas_load(name, &handle, &functions) else {
          return unsafe (handle, functions)
        }
        if firstReason == nil { firstReason = unsafe String(cString: reason) }
      }
      throw missing(firstReason ?? "it has no name")
    }

    /// The name of the kernels that the library has chosen.
    static func kernel(of functions: blas_functions) -> String? {
      guard let name = functions.get_corename?() else { return nil }
      return unsafe String(cString: name)
    }

    /// Names the kernels when the library is loaded.
    private static let kernelVariable = "OPENBLAS_CORETYPE"

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
    /// The address space that is left for everything else.
    private static let spareByteCount = 64 << 20
  }
#endif

// The calls of the C library that ask for something of the machine and of this process, not of files.
internal import CPlatform

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

extension Platform {
  package static var processIdentifier: Int32 { getpid() }

  package static func isTerminal(_ descriptor: Int32) -> Bool { isatty(descriptor) == 1 }

  /// How many rows a terminal has; nil where it does not say.
  package static func rowCount(of descriptor: Int32) -> Int? {
    var size = winsize()
    guard unsafe ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0 else {
      return nil
    }
    return Int(size.ws_row)
  }

  /// Asks for large pages for memory that is read again and again from end to end, where the system has them and
  /// does not choose by itself, as Darwin does.
  static func preferLargePages(_ memory: UnsafeMutableRawBufferPointer) {
    #if !canImport(Darwin)
      // No more than a wish: without them everything works, a little slower.
      _ = unsafe madvise(memory.baseAddress, memory.count, 14 /* MADV_HUGEPAGE */)
    #endif
  }

  /// Has the C library keep little of the memory that is freed: with a pool for every thread, each keeps its largest
  /// need, and memory grows with the number of adapters.
  package static func keepLittleFreedMemory() {
    platform_keep_little_freed_memory()
  }

  /// Lets other processes do something, for about so long.
  static func sleep(milliseconds: UInt32) { usleep(milliseconds * 1_000) }

  /// Waits for a moment, in a loop that looks for what another thread does.
  @inline(__always)
  package static func pause() { platform_pause() }

  /// Returns true if the limit of the address space leaves room for so many bytes more; releases them at once.
  package static func hasAddressSpace(_ byteCount: Int) -> Bool {
    #if canImport(Darwin)
      return true
    #else
      let flags = Int32(MAP_PRIVATE) | Int32(MAP_ANONYMOUS) | Int32(MAP_NORESERVE)
      guard let memory = unsafe mmap(nil, byteCount, PROT_NONE, flags, -1, 0),
        unsafe memory != MAP_FAILED
      else { return false }
      unsafe munmap(memory, byteCount)
      return true
    #endif
  }

  /// Calls `body` with another value of a variable of the environment; afterwards it has its own.
  package static func withEnvironment<Value>(
    _ name: String, _ value: String, _ body: () -> Value
  ) -> Value {
    let before = unsafe getenv(name).map { unsafe String(cString: $0) }
    unsafe setenv(name, value, 1)
    defer {
      if let before { unsafe setenv(name, before, 1) } else { unsafe unsetenv(name) }
    }
    return body()
  }

  /// A variable of the environment; nil where it is not set.
  package static func environment(_ name: String) -> String? {
    unsafe getenv(name).map { unsafe String(cString: $0) }
  }

  /// Returns true if a variable of the environment is set, even to nothing.
  package static func hasEnvironment(_ name: String) -> Bool { unsafe getenv(name) != nil }

  /// Seconds of the processors' time that this process has taken: in its own code, and in the system's for it.
  package static var processorSeconds: (own: Double, system: Double) {
    (platform_processor_seconds(0), platform_processor_seconds(1))
  }

  /// Processors that are there.
  package static var processorCount: Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }
}

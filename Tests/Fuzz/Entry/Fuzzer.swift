import CFuzzer
import Fuzzing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

// What libFuzzer calls. It has the `main`; `.ci/fuzz` names the target in the environment.

private let target: FuzzTarget = {
  let name = unsafe getenv("ADAPTER_FUZZ_TARGET").map { unsafe String(cString: $0) } ?? ""
  guard let target = FuzzTarget(rawValue: name) else {
    fatalError("ADAPTER_FUZZ_TARGET is \"\(name)\", which is no target")
  }
  return target
}()

/// Writes the target's seeds into a folder that the environment names, and ends.
@_cdecl("LLVMFuzzerInitialize")
public func fuzzInitialize(_ count: UnsafeMutableRawPointer?, _ words: UnsafeMutableRawPointer?)
  -> CInt
{
  guard let folder = unsafe getenv("ADAPTER_FUZZ_SEEDS") else { return 0 }
  do {
    try unsafe target.writeSeeds(to: String(cString: folder))
  } catch {
    fatalError("\(target.rawValue): \(error)")
  }
  exit(0)
}

/// Runs one input; a broken property ends the program, as any trap does.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzTestOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let bytes = unsafe Array(UnsafeBufferPointer(start: data, count: count))
  do throws(BrokenProperty) {
    try target.run(bytes)
  } catch {
    fatalError("\(target.rawValue): \(error)")
  }
  return 0
}

/// Mutates by the target's form half of the time, else as libFuzzer does.
@_cdecl("LLVMFuzzerCustomMutator")
public func fuzzCustomMutator(
  _ data: UnsafeMutablePointer<UInt8>, _ count: Int, _ maximum: Int, _ seed: CUnsignedInt
) -> Int {
  let buffer = unsafe UnsafeMutableBufferPointer(start: data, count: maximum)
  if seed % 2 == 0 {
    let bytes = unsafe Array(buffer[..<count])
    if let mutated = target.mutate(bytes, limit: maximum, seed: UInt64(seed)), !mutated.isEmpty {
      _ = unsafe buffer.update(fromContentsOf: mutated)
      return mutated.count
    }
  }
  return unsafe LLVMFuzzerMutate(data, count, maximum)
}

// What Tests/Benchmarks/container.py runs beside ZipNN, zstd and Python's safetensors:
//   container-benchmark codec FILE DTYPE LEVEL CHUNK   a file of elements, encoded and decoded in memory
//   container-benchmark write FILE LEVEL OUTPUT        a safetensors file written as .adp, to a file, and to nowhere, which is timed
//   container-benchmark load FILE                      an .adp file opened and all its tensors loaded
//   container-benchmark cold FILE                      the same, the file not in the page cache
//   container-benchmark open FILE                      an .adp file opened: footer and manifest read and checked
//   container-benchmark digest                         SHA-256 of memory, on one thread
// Each prints numbers: seconds, and bytes.
import AdapterFormat
import Operations
import Checkpoints
import Storage
import StrictJSON
import SystemPackage

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

let arguments = CommandLine.arguments.dropFirst()
let rounds = 9

/// Takes bytes and keeps none.
final class Nowhere: ByteSink {
  func write(_ bytes: UnsafeRawBufferPointer) {}
}

/// Takes a file out of the page cache.
func forget(_ path: FilePath) throws {
  let file = try FileDescriptor.open(path, .readOnly)
  try file.closeAfter {
    #if canImport(Darwin)
      let isForgotten = false
    #else
      let isForgotten =
        fsync(file.rawValue) == 0
        && posix_fadvise(file.rawValue, 0, 0, POSIX_FADV_DONTNEED) == 0
    #endif
    guard isForgotten else { fatalError("the file stays in the page cache") }
  }
}

func best(_ body: () throws -> Void) rethrows -> Double {
  var result = Double.infinity
  for _ in 0..<rounds { result = min(result, try seconds(body)) }
  return result
}

switch (arguments.first, arguments.count) {
case ("codec", 5):
  let values = Array(arguments)
  let file = try File(FilePath(values[1]))
  let units = try file.bytes(at: 0, count: Int(file.count))
  guard let type = ElementType(rawValue: values[2]),
    let level = CompressionLevel(rawValue: values[3]), let chunk = Int(values[4])
  else { fatalError("no such element type, level or chunk") }
  let result = try Codec(codec: PlaneCodec(type), chunk: chunk, level: level)
    .measure(units, rounds: rounds)
  print(units.count, result.stored, result.encode, result.decode, result.checkedDecode)
case ("write", 4):
  let values = Array(arguments)
  guard let level = CompressionLevel(rawValue: values[2]) else { fatalError("no such level") }
  let file = try SafetensorsFile(FilePath(values[1]))
  let tensors = file.header.tensors.map {
    TensorContents($0.info, bytes: file.file, offset: file.offset(of: $0))
  }
  func write(to sink: any ByteSink) throws {
    var writer = try AdapterWriter(to: sink, level: level)
    var record = AdapterRecord(name: "default", method: "benchmark")
    record.inert = tensors.map { .init(tensor: $0.info.name, reason: "benchmark") }
    try writer.append(record, tensors: tensors)
    try writer.finish(generator: "benchmark")
  }
  let output = try OutputFile(FilePath(values[3]), replacing: true)
  try write(to: output)
  try output.commit()
  let time = try best { try write(to: Nowhere()) }
  print(try File(FilePath(values[3])).count, time)
case ("load", 2), ("cold", 2):
  let path = FilePath(arguments.last ?? "")
  var bytes = 0
  func load() throws {
    let file = try AdapterFile.open(path)
    bytes = 0
    for index in file.manifest.adapters.indices {
      let tensors = try LoadedTensors(file, adapter: index)
      for info in tensors.tensors {
        bytes += unsafe tensors.withBytes(of: info.name) { $0.count } ?? 0
      }
    }
  }
  try load()
  let time =
    try arguments.first == "load"
    ? best(load)
    : (0..<3).map { _ in
      try forget(path)
      return try seconds(load)
    }.min() ?? 0
  print(bytes, time)
case ("open", 2):
  let path = FilePath(arguments.last ?? "")
  var count = 0
  let time = try best {
    let file = try AdapterFile.open(path)
    count = file.manifest.adapters.reduce(0) { $0 + $1.tensorCount }
  }
  print(count, time)
case ("digest", 1):
  let bytes = [UInt8](repeating: 7, count: 1 << 24)
  print(best { _ = Digest(of: bytes) }, bytes.count)
default:
  fatalError(
    "codec FILE DTYPE LEVEL CHUNK, write FILE LEVEL OUTPUT, load FILE, cold FILE, open FILE or digest"
  )
}

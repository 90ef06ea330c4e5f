internal import AdapterFormat
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// A tensor that an operation takes and a PEFT file does not have: its numbers are worked out of those that the
/// file has, which stay beside it, so that the file comes back byte for byte.
struct DerivedTensor: Sendable {
  /// Its name, element type and shape.
  let info: TensorInfo
  /// Its bytes, of the file.
  let bytes: @Sendable (PEFTValues) throws -> [UInt8]

  /// How the names of such tensors begin, and no other's.
  static let prefix: Name = "derived/"

  /// Returns true if so many bytes may be worked out of a file: 64 MiB for any file, and 1,024 for each of its own
  /// bytes.
  static func areFew(_ count: UInt64, of fileByteCount: UInt64) -> Bool {
    let free: UInt64 = 64 << 20
    return count <= free || (count - free) / 1024 <= fileByteCount
  }

  /// The tensor with its bytes.
  func contents(of file: PEFTValues) throws -> TensorContents {
    let bytes = try bytes(file)
    guard bytes.count == info.byteCount else {
      throw InteropError.tensors(
        "\(info.name) has \(bytes.count) bytes, not those of \(info.shape)")
    }
    return TensorContents(info, bytes: MemoryBytes(bytes), offset: 0)
  }
}

/// The values of a PEFT file, or of what an adapter holds of one.
struct PEFTValues: Sendable {
  /// The bytes of a tensor.
  let bytes: @Sendable (TensorInfo) throws -> [UInt8]

  init(_ file: SafetensorsContents) {
    let places = Dictionary(
      file.header.tensors.map { ($0.info.name, $0) }, uniquingKeysWith: { first, _ in first })
    bytes = { info in
      guard let tensor = places[info.name] else {
        throw InteropError.tensors("no tensor \(info.name)")
      }
      return try file.bytes.bytes(at: file.offset(of: tensor), count: info.byteCount)
    }
  }

  init(of adapter: Adapter) {
    bytes = { info in try adapter.contents(of: info.name) }
  }

  /// The elements of a tensor of a float type.
  func floats(of info: TensorInfo) throws -> [Double] {
    [Double](widening: try bytes(info), of: info.type)
  }

  /// The elements of a tensor of integers.
  func integers(of info: TensorInfo) throws -> [Int] {
    [Int](integers: try bytes(info), of: info.type)
  }
}

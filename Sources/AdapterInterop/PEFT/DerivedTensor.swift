internal import AdapterFormat
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// A tensor that an operation takes and a PEFT file does not have: its numbers are worked out of those that the
/// file has, which stay beside it, so that the file comes back byte for byte.
struct DerivedTensor: Sendable {
  /// Its name, element type (F32) and shape.
  let info: TensorInfo
  /// Its elements, of the file.
  let values: @Sendable (SafetensorsContents) throws -> [Double]

  /// How the names of such tensors begin, and no other's.
  static let prefix: Name = "derived/"

  /// Whether so many bytes may be worked out of a file: 64 MiB of any, and 1,024 of each of its own.
  static func areFew(_ count: UInt64, of fileByteCount: UInt64) -> Bool {
    let free: UInt64 = 64 << 20
    return count <= free || (count - free) / 1024 <= fileByteCount
  }

  /// The tensor with its bytes.
  func contents(of file: SafetensorsContents) throws -> TensorContents {
    let values = try values(file)
    guard values.count == info.shape.count else {
      throw InteropError.tensors("\(info.name) has \(values.count) elements, not \(info.shape)")
    }
    return TensorContents(info, bytes: MemoryBytes(values.rounded(to: .f32)), offset: 0)
  }
}

extension SafetensorsContents {
  /// The bytes of a tensor, which its method has seen to be there.
  func bytes(of info: TensorInfo) throws -> [UInt8] {
    guard let tensor = header.tensors.first(where: { $0.info.name == info.name }) else {
      throw InteropError.tensors("no tensor \(info.name)")
    }
    return try bytes.bytes(at: offset(of: tensor), count: info.byteCount)
  }
}

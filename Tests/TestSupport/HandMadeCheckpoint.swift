package import Checkpoints
package import Storage
package import StrictJSON

/// A safetensors file of F32 tensors, made by hand.
package struct HandMadeCheckpoint {
  private var tensors: [(info: TensorInfo, bytes: [UInt8])] = []

  package init() {}

  /// Adds a tensor of F32 values.
  package mutating func add(_ name: Name, _ dimensions: [Int], _ values: [Float]) {
    add(name, .f32, dimensions, Self.bytes(values))
  }

  /// Adds a tensor of any type.
  package mutating func add(
    _ name: Name, _ type: ElementType, _ dimensions: [Int], _ bytes: [UInt8]
  ) {
    guard let shape = Shape(dimensions.map(UInt64.init)) else { return }
    tensors.append((TensorInfo(name: name, type: type, shape: shape), bytes))
  }

  /// Adds all tensors of a checkpoint.
  package mutating func add(_ checkpoint: Checkpoint, renaming: (Name) -> Name = { $0 }) throws {
    for tensor in checkpoint.tensors {
      let bytes = try tensor.contents()
      add(
        renaming(tensor.info.name), tensor.info.type, tensor.info.shape.dimensions, bytes)
    }
  }

  /// The file's bytes.
  package var bytes: [UInt8] {
    let header = SafetensorsHeader(canonical: tensors.map(\.info), metadata: nil)
    return header.encoded
      + header.tensors.flatMap { tensor in
        tensors.first { $0.info == tensor.info }?.bytes ?? []
      }
  }

  /// Writes it as the model of a folder.
  package func write(to folder: TemporaryFolder, config: String? = nil) throws -> Checkpoint {
    try folder.write(bytes, to: "model.safetensors")
    if let config { try folder.write(Array(config.utf8), to: "config.json") }
    return try Checkpoint(folder.path)
  }

  /// F32 values, little-endian.
  package static func bytes(_ values: [Float]) -> [UInt8] {
    values.flatMap { value in
      (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) }
    }
  }
}

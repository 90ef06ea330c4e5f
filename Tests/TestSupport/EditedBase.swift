package import Checkpoints
package import Storage
package import StrictJSON

/// A base whose tensors can be changed one by one.
package struct EditedBase {
  /// A tensor's type, dimensions and bytes.
  package struct Tensor {
    package var type: ElementType
    package var dimensions: [Int]
    package var bytes: [UInt8]

    package init(_ type: ElementType, _ dimensions: [Int], _ bytes: [UInt8]) {
      (self.type, self.dimensions, self.bytes) = (type, dimensions, bytes)
    }
  }

  /// The tensors.
  package var tensors: [Name: Tensor] = [:]

  package init() {}

  /// The tensors of a checkpoint.
  package init(_ checkpoint: Checkpoint) throws {
    for stored in checkpoint.tensors {
      tensors[stored.info.name] = Tensor(
        stored.info.type, stored.info.shape.dimensions,
        try stored.contents())
    }
  }

  /// Adds rows of zeros to a tensor.
  package mutating func pad(_ name: Name, rows: Int) {
    guard var tensor = tensors[name], let first = tensor.dimensions.first, first > 0 else { return }
    let width = tensor.bytes.count / first
    tensor.dimensions[0] += rows
    tensor.bytes += Array(repeating: 0, count: rows * width)
    tensors[name] = tensor
  }

  /// Puts the base into a folder.
  package func write(to folder: TemporaryFolder, config: String? = nil) throws -> Checkpoint {
    var made = HandMadeCheckpoint()
    for (name, tensor) in tensors.sorted(by: { $0.key < $1.key }) {
      made.add(name, tensor.type, tensor.dimensions, tensor.bytes)
    }
    return try made.write(to: folder, config: config)
  }
}

extension HandMadeCheckpoint {
  /// Adds what a quantised parameter `X.weight` is stored as, of zeros: names and types are as programs write them,
  /// shapes only as far as readers of names see them.
  package mutating func add(quantised module: String, _ scheme: QuantisationScheme) {
    func add(_ name: String, _ type: ElementType, _ dimensions: [Int]) {
      let count = dimensions.reduce(1, *) * type.bitWidth / 8
      self.add(Name(module + name), type, dimensions, Array(repeating: 0, count: count))
    }
    switch scheme {
    case .bitsandbytesNF4, .bitsandbytesFP4:
      let state = scheme == .bitsandbytesNF4 ? "nf4" : "fp4"
      add(".weight", .u8, [32, 1])
      add(".weight.absmax", .f32, [1])
      add(".weight.quant_map", .f32, [16])
      add(".weight.quant_state.bitsandbytes__\(state)", .u8, [90])
    case .bitsandbytesInt8:
      add(".weight", .i8, [8, 8])
      add(".SCB", .f32, [8])
    case .gptq, .awq:
      add(".qweight", .i32, scheme == .gptq ? [1, 8] : [8, 1])
      add(".qzeros", .i32, [1, 1])
      add(".scales", .f16, [1, 8])
      if scheme == .gptq { add(".g_idx", .i32, [8]) }
    case .fp8:
      add(".weight", .f8E4M3, [8, 8])
      add(".weight_scale_inv", .f32, [1, 1])
    case .compressedTensors:
      add(".weight_packed", .i32, [8, 1])
      add(".weight_scale", .bf16, [8, 1])
      add(".weight_shape", .i64, [2])
    case .modelOptNVFP4:
      add(".weight", .u8, [8, 8])
      add(".weight_scale", .f8E4M3, [8, 1])
      add(".weight_scale_2", .f32, [])
    case .mxfp4:
      add(".weight_blocks", .u8, [8, 1, 4])
      add(".weight_scales", .u8, [8, 1])
    case .mlx:
      add(".weight", .u32, [8, 1])
      add(".scales", .bf16, [8, 1])
      add(".biases", .bf16, [8, 1])
    }
  }
}

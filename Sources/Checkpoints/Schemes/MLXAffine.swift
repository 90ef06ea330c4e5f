internal import Storage
internal import StrictJSON

/// MLX's affine groups: U32 [out, in · bits / 32], `bits` bits each and dense across the words of a row; T(T(scale · q) +
/// bias), with two roundings in the type of the scales.
struct MLXAffine: QuantisedElements {
  private let codes: FileRange
  private let rowBytes: Int
  private let columns: Int
  private let bits: Int
  private let groupSize: Int
  private let scales: StoredNumbers
  private let biases: StoredNumbers

  var errorBound: Double { Self.errorBound(bits: bits) }

  var sources: [FileRange] { [codes, scales.bytes, biases.bytes] }

  static func parameter(
    _ name: Name, _ config: QuantisationConfig?, in checkpoint: Checkpoint
  ) throws(CheckpointError) -> QuantisedParameter {
    let scheme = QuantisationScheme.mlx
    let module = name.dropLast("weight".utf8.count)
    let (scaleName, biasName) = (Name("\(module)scales"), Name("\(module)biases"))
    guard let tensor = checkpoint.tensor(name), let codes = tensor.fileRange,
      tensor.info.shape.dimensions.count == 2, tensor.info.shape.count > 0,
      let scale = checkpoint.tensor(scaleName)?.info, scale.shape.dimensions.count == 2
    else { throw .quantised(name, scheme, "its codes or scales are not matrices") }
    let (rows, words) = (tensor.info.shape.dimensions[0], tensor.info.shape.dimensions[1])
    guard let bits = config?.integer("bits"), [2, 3, 4, 5, 6, 8].contains(bits),
      let groupSize = config?.integer("group_size"), groupSize > 0,
      (words * 32).isMultiple(of: bits),
      (words * 32 / bits).isMultiple(of: groupSize),
      scale.shape.dimensions == [rows, words * 32 / bits / groupSize]
    else {
      throw .quantised(
        name, scheme, "bits and group_size of quantization are not those of its tensors")
    }
    let shape = scale.shape.dimensions
    let types: [ElementType] = [.f32, .bf16, .f16]
    return QuantisedParameter(
      info: try TensorInfo(name, scale.type, [rows, words * 32 / bits], of: scheme), scheme: scheme,
      codes: name, companions: [scaleName, biasName],
      elements: MLXAffine(
        codes: codes, rowBytes: 4 * words, columns: words * 32 / bits, bits: bits,
        groupSize: groupSize,
        scales: try StoredNumbers(scaleName, types, shape: shape, of: name, scheme, in: checkpoint),
        biases: try StoredNumbers(
          biasName, [scale.type], shape: shape, of: name, scheme, in: checkpoint)))
  }

  var reasonNotToRequantise: String? { "MLX's groups are not made again" }

  var made: [Name] { [] }

  func requantise(_ work: Requantisation) throws {}

  func read(
    _ range: Range<Int>, into values: UnsafeMutableBufferPointer<Float>
  ) throws(StorageError) {
    let groups = columns / groupSize
    try forEachRow(of: range, columns: columns) {
      (row, column, part) throws(StorageError) in
      let bytes = try codes.contents(row * rowBytes..<(row + 1) * rowBytes)
      let scales = try scales.values(row * groups..<(row + 1) * groups)
      let biases = try biases.values(row * groups..<(row + 1) * groups)
      for index in part {
        let column = column + index - part.lowerBound
        let code = Float(PackedBits.bits(column * bits, bits, bytes))
        unsafe values[index - range.lowerBound] =
          rounded(scales[column / groupSize] * code) + biases[column / groupSize]
      }
    }
  }

  private func rounded(_ value: Float) -> Float {
    switch scales.type {
    case .bf16: BrainFloat.rounded(value)
    case .f16: HalfFloats.rounded(value)
    default: value
    }
  }
}

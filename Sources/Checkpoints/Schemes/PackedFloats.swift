internal import Storage
internal import StrictJSON

/// Codes of E2M1, two in a byte, low nibble first, each row by itself and in groups that share a scale.
///
/// | scheme | tensors | value |
/// |---|---|---|
/// | compressed-tensors NVFP4 | `X.weight_packed` U8 [out, in / 2], `weight_scale` F8_E4M3 [out, in / 16], `weight_global_scale` F32 | e2m1 · (scale / global) |
/// | compressed-tensors MXFP4 | `X.weight_packed`, `weight_scale` U8 [out, in / 32] | e2m1 · 2^(e − 127) |
/// | ModelOpt NVFP4 | `X.weight` U8, `weight_scale` F8_E4M3, `weight_scale_2` F32 | e2m1 · (scale · scale_2) |
struct PackedFloats: QuantisedElements {
  private let name: Name
  private let codeName: Name
  private let codes: FileRange
  private let columns: Int
  private let groupSize: Int
  private let scales: StoredNumbers
  private let whole: WholeScale

  /// The factor or divisor of all scales of one parameter, if it has any.
  private enum WholeScale: Sendable {
    case none
    case divides(Float)
    case multiplies(Float)
  }

  var errorBound: Double { Self.errorBound(bits: 4) }

  var sources: [FileRange] { [codes, scales.bytes] }

  // MARK: Finding them

  /// Those of compressed-tensors, which says by the type of the scales which they are.
  static func packed(
    _ name: Name, in checkpoint: Checkpoint
  ) throws(CheckpointError) -> QuantisedParameter {
    let isNVFP4 = checkpoint.tensor(Name("\(name)_scale"))?.info.type == .f8E4M3
    let whole: WholeScale =
      isNVFP4
      ? .divides(try number("_global_scale", of: name, .compressedTensors, in: checkpoint)) : .none
    return try parameter(
      name, .compressedTensors, codes: Name("\(name)_packed"), groupSize: isNVFP4 ? 16 : 32, whole,
      companions: PackedIntegers.companions(of: name, in: checkpoint), in: checkpoint)
  }

  /// Those of ModelOpt.
  static func modelOpt(
    _ name: Name, in checkpoint: Checkpoint
  ) throws(CheckpointError) -> QuantisedParameter {
    let scheme = QuantisationScheme.modelOptNVFP4
    return try parameter(
      name, scheme, codes: name, groupSize: 16,
      .multiplies(try number("_scale_2", of: name, scheme, in: checkpoint)),
      companions: checkpoint.companions(of: name, ["_scale", "_scale_2"]),
      in: checkpoint)
  }

  private static func parameter(
    _ name: Name, _ scheme: QuantisationScheme, codes: Name, groupSize: Int, _ whole: WholeScale,
    companions: [Name], in checkpoint: Checkpoint
  ) throws(CheckpointError) -> QuantisedParameter {
    guard let tensor = checkpoint.tensor(codes), let range = tensor.fileRange,
      tensor.info.shape.dimensions.count == 2, tensor.info.shape.count > 0
    else { throw .quantised(name, scheme, "\(codes) is not a matrix") }
    let (rows, columns) = (tensor.info.shape.dimensions[0], 2 * tensor.info.shape.dimensions[1])
    guard columns.isMultiple(of: groupSize) else {
      throw .quantised(name, scheme, "rows of \(columns) elements are not whole groups")
    }
    let scales = try StoredNumbers(
      Name("\(name)_scale"), groupSize == 16 ? [.f8E4M3] : [.u8, .f8E8M0],
      shape: [rows, columns / groupSize], of: name, scheme, in: checkpoint)
    return QuantisedParameter(
      info: try TensorInfo(name, .bf16, [rows, columns], of: scheme), scheme: scheme, codes: codes,
      companions: companions,
      elements: PackedFloats(
        name: name, codeName: codes, codes: range, columns: columns, groupSize: groupSize,
        scales: scales.asExponents,
        whole: whole))
  }

  /// One positive number for the whole parameter.
  private static func number(
    _ suffix: String, of name: Name, _ scheme: QuantisationScheme, in checkpoint: Checkpoint
  ) throws(CheckpointError) -> Float {
    let numbers = try StoredNumbers(
      Name("\(name)\(suffix)"), [.f32], shape: nil, of: name, scheme, in: checkpoint)
    guard numbers.count == 1,
      let value = try storing({ () throws(StorageError) in try numbers.values() }).first,
      value.isFinite, value > 0
    else { throw .quantised(name, scheme, "weight\(suffix) is not one positive number") }
    return value
  }

  // MARK: Values

  func read(
    _ range: Range<Int>, into values: UnsafeMutableBufferPointer<Float>
  ) throws(StorageError) {
    let groups = range.lowerBound / groupSize..<(range.upperBound - 1) / groupSize + 1
    // A row is whole groups, so that groups run on across rows.
    let scales = try self.scales.values(groups).map(effective)
    try unsafe NibbleTable(table: table, isUpperFirst: false).read(
      range, from: codes, blocksOf: groupSize, times: scales, into: values)
  }

  private var table: [Float] {
    if case .multiplies = whole { FloatTables.e2m1OfModelOpt } else { FloatTables.e2m1 }
  }

  /// The scale of a group, of the stored one.
  private func effective(_ stored: Float) -> Float {
    switch whole {
    case .none: stored
    case .divides(let number): stored / number
    case .multiplies(let number): stored * number
    }
  }
}

// MARK: - Other values

extension PackedFloats {
  var made: [Name] { [codeName, Name("\(name)_scale")] }

  /// A scale stays where its group's largest value fits: other parameters may share the one of all, and a new scale adds
  /// noise to values that do not change.
  func requantise(_ work: Requantisation) throws {
    let length = groupSize
    try work.forEachRun(of: length) { run in
      let first = run.range.lowerBound / groupSize
      var scales = try self.scales.values(first..<run.range.upperBound / groupSize)
      var codes = [UInt8](repeating: 0, count: run.range.count / 2)
      for group in scales.indices {
        let elements = group * groupSize..<(group + 1) * groupSize
        let largest = elements.reduce(Float(0)) { max($0, run.wanted[$1].magnitude) }
        if largest > 6 * effective(scales[group]) { scales[group] = grown(largest / 6) }
        let scale = effective(scales[group])
        for index in elements {
          let code = SmallFloat.e2m1(steps(run.wanted[index], of: scale))
          codes[index / 2] |= index % 2 == 0 ? code : code << 4
          run.result[index] = table[Int(code)] * scale
          run.steps[index] = FloatTables.e2m1Gaps[Int(code)] * scale.magnitude
        }
      }
      try work.write(codeName, run.range.lowerBound / 2, codes)
      try work.write(
        Name("\(name)_scale"), first, self.scales.encoded(scales, keepingZeros: false))
    }
  }

  /// The stored scale that gives this one, rounded as it is stored.
  private func grown(_ scale: Float) -> Float {
    switch whole {
    case .none: FloatTables.e8m0[Int(SmallFloat.e8m0(atLeast: scale))]
    case .divides(let number): FloatTables.e4m3[Int(SmallFloat.e4m3(scale * number))]
    case .multiplies(let number): FloatTables.e4m3[Int(SmallFloat.e4m3(scale / number))]
    }
  }
}

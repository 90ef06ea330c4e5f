package import Storage
internal import StrictJSON

extension Checkpoint {
  /// The base with every quantised parameter as one float tensor, in the shape and the type that its library gives; the
  /// tensors of the schemes are gone. Values are decoded when they are read.
  ///
  /// - Throws: `CheckpointError.quantised` where a parameter's tensors contradict each other, or its scheme is not read.
  /// - Returns: itself, where nothing is quantised.
  public func dequantised() throws(CheckpointError) -> Checkpoint {
    let found = quantisedParameters
    guard !found.isEmpty else { return self }
    let config = try QuantisationConfig(of: self)
    var parameters: [QuantisedParameter] = []
    for (name, scheme) in found.sorted(by: { $0.key < $1.key }) {
      parameters.append(try scheme.parameter(name, config, in: self))
    }
    return Checkpoint(self, decoding: parameters)
  }
}

extension Checkpoint {
  /// The type that quantised parameters are written in: that of the configuration, else the libraries' own, but BF16 for
  /// those that have no other than F32.
  package var dequantisedType: ElementType {
    if let type = config?.dtype { return type }
    let own = Set(decoded.map(\.info.type)).subtracting([.f32])
    return own.count == 1 ? own.first ?? .bf16 : .bf16
  }
}

extension QuantisationScheme {
  /// Reads how a parameter is stored. Each scheme is in a file beside this one.
  fileprivate func parameter(
    _ name: Name, _ config: QuantisationConfig?, in checkpoint: Checkpoint
  ) throws(CheckpointError) -> QuantisedParameter {
    switch self {
    case .bitsandbytesNF4, .bitsandbytesFP4:
      try BitsAndBytes4.parameter(name, self, in: checkpoint)
    case .bitsandbytesInt8: try ScaledMatrix.int8(name, in: checkpoint)
    case .fp8: try ScaledMatrix.scaled(name, self, config, in: checkpoint)
    case .compressedTensors:
      checkpoint.tensor(name) == nil
        ? try PackedIntegers.parameter(name, in: checkpoint)
        : try ScaledMatrix.scaled(name, self, config, in: checkpoint)
    case .mxfp4: try MXFP4Stack.parameter(name, in: checkpoint)
    case .gptq, .awq: try ColumnPacked.parameter(name, self, config, in: checkpoint)
    case .mlx: try MLXAffine.parameter(name, config, in: checkpoint)
    }
  }
}

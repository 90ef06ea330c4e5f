package import Storage
internal import StrictJSON

extension Checkpoint {
  /// The base with every quantised parameter as one float tensor, in the shape and the type that its library gives; the
  /// tensors of the schemes are gone. Values are decoded when they are read.
  ///
  /// - Parameter keepingCodes: whether a merge into it writes codes again, and not floats.
  /// - Throws: `CheckpointError.quantised` where a parameter's tensors contradict each other, or are stored in a way that
  ///   is not read; `unreadScheme` where nothing of the scheme is.
  /// - Returns: itself, where nothing is quantised.
  public func dequantised(keepingCodes: Bool = false) throws(CheckpointError) -> Checkpoint {
    let (decoded, faults) = try decodedParameters()
    if let fault = faults.first { throw fault }
    return decoded.isEmpty
      ? self : Checkpoint(self, decoding: decoded, keepsCodes: keepingCodes)
  }

  /// The same with those parameters left as they are stored that cannot be decoded.
  ///
  /// - Throws: `CheckpointError.storage` where a file cannot be read.
  /// - Returns: the checkpoint, and what is wrong with the others.
  package func dequantisedWherePossible() throws(CheckpointError)
    -> (checkpoint: Checkpoint, faults: [CheckpointError])
  {
    do throws(CheckpointError) {
      let (decoded, faults) = try decodedParameters()
      return (Checkpoint(self, decoding: decoded, keepsCodes: true), faults)
    } catch {
      if case .storage = error { throw error }
      return (self, [error])
    }
  }

  /// The quantised parameters by name, and what is wrong with those that cannot be decoded.
  private func decodedParameters() throws(CheckpointError) -> (
    decoded: [QuantisedParameter], faults: [CheckpointError]
  ) {
    if let scheme = unreadScheme { throw .unreadScheme(path, scheme) }
    let found = quantisedParameters
    guard !found.isEmpty else { return ([], []) }
    let config = try QuantisationConfig(of: self)
    let (family, memory) = (family, DecodingMemory())
    var (decoded, faults): ([QuantisedParameter], [CheckpointError]) = ([], [])
    for (name, scheme) in found.sorted(by: { $0.key < $1.key }) {
      do throws(CheckpointError) {
        let stored = try scheme.parameter(name, config, memory, in: self)
        let isTransposed = scheme.storesOutputsFirst && family?.isConv1D(name) ?? false
        decoded.append(isTransposed ? try TransposedMatrix.parameter(stored, memory) : stored)
      } catch {
        if case .storage = error { throw error }
        faults.append(error)
      }
    }
    return (decoded, faults)
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
  /// True if its library stores every matrix [out, in], whatever the layer has.
  fileprivate var storesOutputsFirst: Bool {
    switch self {
    case .bitsandbytesNF4, .bitsandbytesFP4, .bitsandbytesInt8, .gptq, .awq: true
    case .fp8, .compressedTensors, .modelOptNVFP4, .mxfp4, .mlx: false
    }
  }

  /// Reads how a parameter is stored. Each scheme is in a file beside this one.
  fileprivate func parameter(
    _ name: Name, _ config: QuantisationConfig?, _ memory: DecodingMemory,
    in checkpoint: Checkpoint
  ) throws(CheckpointError) -> QuantisedParameter {
    switch self {
    case .bitsandbytesNF4, .bitsandbytesFP4:
      try BitsAndBytes4.parameter(name, self, in: checkpoint)
    case .bitsandbytesInt8: try ScaledMatrix.int8(name, in: checkpoint)
    case .fp8: try ScaledMatrix.scaled(name, self, config, in: checkpoint)
    case .compressedTensors:
      if checkpoint.tensor(name) != nil {
        try ScaledMatrix.scaled(name, self, config, in: checkpoint)
      } else if checkpoint.tensor(Name("\(name)_packed"))?.info.type == .u8 {
        try PackedFloats.packed(name, in: checkpoint)
      } else {
        try PackedIntegers.parameter(name, in: checkpoint)
      }
    case .modelOptNVFP4: try PackedFloats.modelOpt(name, in: checkpoint)
    case .mxfp4: try MXFP4Stack.parameter(name, memory, in: checkpoint)
    case .gptq, .awq: try ColumnPacked.parameter(name, self, config, memory, in: checkpoint)
    case .mlx: try MLXAffine.parameter(name, config, in: checkpoint)
    }
  }
}

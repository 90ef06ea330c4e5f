internal import Storage
public import StrictJSON

/// How a base stores a parameter in far fewer values than a float has, by the names of what lies beside it.
///
/// | scheme | what is stored of a parameter `X.weight` |
/// |---|---|
/// | bitsandbytes NF4, FP4 | `X.weight` of U8, `X.weight.quant_state.bitsandbytes__nf4` or `…__fp4`, `X.weight.absmax`, `X.weight.quant_map` |
/// | bitsandbytes LLM.int8 | `X.weight` of I8, `X.SCB` |
/// | GPTQ | `X.qweight`, `X.qzeros`, `X.scales`, mostly `X.g_idx`, and no `X.weight` |
/// | AWQ | the same without `X.g_idx`, and fewer columns of `X.qweight` than of `X.scales` |
/// | FP8 | `X.weight` of an eight-bit float, `X.weight_scale` or `X.weight_scale_inv` |
/// | compressed-tensors | `X.weight_packed`, `X.weight_scale`, and no `X.weight`; or `X.weight` of I8 with `X.weight_scale` |
/// | ModelOpt NVFP4 | `X.weight` of U8, `X.weight_scale`, `X.weight_scale_2` |
/// | MXFP4 | `X.weight_blocks`, `X.weight_scales`, and no `X.weight` |
/// | MLX | `X.weight` of U32, `X.scales`, `X.biases` |
///
/// A parameter whose name does not end with `.weight`, as stacks of experts have, is stored likewise.
public enum QuantisationScheme: String, CaseIterable, Sendable, Hashable {
  /// Four bits: 16 values for normally distributed weights.
  case bitsandbytesNF4 = "bitsandbytes NF4"
  /// Four-bit floats.
  case bitsandbytesFP4 = "bitsandbytes FP4"
  /// Eight-bit integers, with a scale for each row.
  case bitsandbytesInt8 = "bitsandbytes LLM.int8"
  /// Packed integers that were chosen one column after the other.
  case gptq = "GPTQ"
  /// Packed integers of weights that were scaled by their activations.
  case awq = "AWQ"
  /// Eight-bit floats with scales.
  case fp8 = "FP8 with scales"
  /// Packed or eight-bit integers with scales, or four-bit floats.
  case compressedTensors = "compressed-tensors"
  /// Groups of four-bit floats with a scale each, and one for all.
  case modelOptNVFP4 = "ModelOpt NVFP4"
  /// Blocks of four-bit floats that share an exponent.
  case mxfp4 = "MXFP4"
  /// Packed integers with scales and offsets.
  case mlx = "MLX"
}

extension Checkpoint {
  /// How a parameter is stored, where that is quantised; nil where it is a tensor of its own values, or is not
  /// there.
  public func quantisation(of parameter: Name) -> QuantisationScheme? {
    guard holdsCodes else { return nil }
    func has(_ suffix: String) -> Bool { tensor(Name(parameter.text + suffix)) != nil }
    let module = parameter.hasSuffix(".weight") ? parameter.dropLast(".weight".utf8.count) : nil
    func moduleHas(_ suffix: String) -> Bool {
      module.map { tensor(Name($0.text + suffix)) != nil } ?? false
    }
    switch tensor(parameter)?.info.type {
    case .u8, .bf16, .f16, .f32:
      if has(".quant_state.bitsandbytes__fp4") { return .bitsandbytesFP4 }
      if tensor(parameter)?.info.type == .u8, has("_scale_2") { return .modelOptNVFP4 }
      let isPacked = has(".quant_state.bitsandbytes__nf4") || has(".absmax")
      return isPacked ? .bitsandbytesNF4 : nil
    case .i8:
      if moduleHas(".SCB") || has(".SCB") { return .bitsandbytesInt8 }
      return has("_scale") ? .compressedTensors : nil
    case .f8E4M3, .f8E5M2, .f8E4M3FNUZ, .f8E5M2FNUZ:
      return has("_scale") || has("_scale_inv") ? .fp8 : nil
    case .u32: return moduleHas(".scales") && moduleHas(".biases") ? .mlx : nil
    case nil:
      if moduleHas(".qweight") { return moduleHas(".g_idx") || packsInputs(module) ? .gptq : .awq }
      if has("_packed"), has("_scale") { return .compressedTensors }
      return has("_blocks") && has("_scales") ? .mxfp4 : nil
    default: return nil
    }
  }

  /// True if the words of a module hold several inputs of one output, as GPTQ's do: there is a scale for each column.
  private func packsInputs(_ module: Name?) -> Bool {
    guard let module, let words = tensor(Name("\(module).qweight"))?.info.shape.dimensions.last
    else { return false }
    return tensor(Name("\(module).scales"))?.info.shape.dimensions.last == words
  }

  /// Every parameter that is stored quantised, by the name that it has where it is not.
  public var quantisedParameters: [Name: QuantisationScheme] {
    var found: [Name: QuantisationScheme] = [:]
    for name in names {
      let parameter =
        if name.hasSuffix(".qweight") {
          Name(name.dropLast("qweight".utf8.count).text + "weight")
        } else if name.hasSuffix("_packed") {
          name.dropLast("_packed".utf8.count)
        } else if name.hasSuffix("_blocks") {
          name.dropLast("_blocks".utf8.count)
        } else {
          name
        }
      if let scheme = quantisation(of: parameter) { found[parameter] = scheme }
    }
    return found
  }
}

extension ElementType {
  /// True if a scheme may have codes of this type.
  var mayBeCode: Bool {
    switch self {
    case .u8, .i8, .i32, .u32, .f8E4M3, .f8E5M2, .f8E4M3FNUZ, .f8E5M2FNUZ, .f8E8M0: true
    default: false
    }
  }
}

internal import Operations
internal import StrictJSON

/// FourierFT (arXiv:2405.03003): a spectrum of few numbers.
///
/// | PEFT | here |
/// |---|---|
/// | `M.fourierft_spectrum` [n] | `add_spectral` |
/// | `random_loc_seed`, `scaling` | `seed`, `scale` |
extension PEFTMethod {
  static let fourierFT = PEFTMethod(
    type: "FOURIERFT", parts: ["fourierft_spectrum"],
    fields: FieldRules(
      honoured: "bias fan_in_fan_out random_loc_seed scaling",
      noEffect: "init_weights n_frequency n_frequency_pattern"),
    read: { meaning, _ in try meaning.addFourierFT() })
}

extension PEFTMeaning {
  fileprivate mutating func addFourierFT() throws {
    guard case .integer(let seed) = config["random_loc_seed"] else {
      throw InteropError.field("random_loc_seed", "missing or no integer")
    }
    let scale = try config.number("scaling")
    let layouts = PEFTLayouts(config, tensors.modules.map(\.name))
    for module in tensors.modules {
      var weight = module.weight
      (weight.layout, weight.layoutSource) = layouts.layout(of: module.name)
      try append(
        AddSpectral(
          target: weight, spectrum: try tensors.take("fourierft_spectrum", of: module), seed: seed,
          scale: scale))
    }
  }
}

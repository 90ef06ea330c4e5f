internal import Operations
internal import Storage
internal import StrictJSON

// Methods that add a pattern of few numbers: SHiRA, SuperTuning, MiSS, C3A, FourierFT.

extension PEFTMeaning {
  /// SHiRA.
  ///
  /// | PEFT | here |
  /// |---|---|
  /// | `M.shira_weight` [n], `M.shira_indices` [2, n] | `add_sparse` |
  mutating func addSHiRA() throws(InteropError) {
    for module in tensors.modules {
      let indices = try tensors.take("shira_indices", of: module)
      guard !indices.type.isFloat else {
        throw .tensors("\(module.name): shira_indices are \(indices.type.rawValue), not integers")
      }
      try append(
        AddSparse(
          target: module.weight, indices: indices,
          values: try tensors.take("shira_weight", of: module), scale: 1))
    }
  }

  /// SuperTuning.
  ///
  /// | PEFT | here |
  /// |---|---|
  /// | `M.supertuning_values` [n], `M.supertuning_indices` [n] | `add_sparse` |
  /// | `M.supertuning_lora_A`, `M.supertuning_lora_B`, `lora_alpha / r` | `add_low_rank` |
  mutating func addSuperTuning() throws(InteropError) {
    for module in tensors.modules {
      try append(
        AddSparse(
          target: module.weight, indices: try tensors.take("supertuning_indices", of: module),
          values: try tensors.take("supertuning_values", of: module), scale: 1))
      guard let a = try tensors.takeIfThere("supertuning_lora_A", of: module) else { continue }
      let scale = try config.number("lora_alpha") / Double(try config.count("r"))
      var weight = module.weight
      (weight.layout, weight.layoutSource) = (.outIn, .name)
      try append(
        AddLowRank(
          target: weight, a: a, b: try tensors.take("supertuning_lora_B", of: module),
          scale: scale))
    }
  }

  /// MiSS.
  ///
  /// | PEFT | here |
  /// |---|---|
  /// | `M.miss_block` [r, out]; `init_weights` "mini": [r, mini_r]; "bat": [out / r, r, r] | `add_blocks` |
  mutating func addMiSS() throws(InteropError) {
    let form = config.text("init_weights")
    for module in tensors.modules {
      let blocks = try tensors.take("miss_block", of: module)
      guard (blocks.shape.count == 3) == (form == "bat") else {
        throw .tensors(
          "\(module.name): miss_block is \(blocks.shape), which is not what init_weights says")
      }
      try append(AddBlocks(target: module.weight, blocks: blocks, isTiled: form == "mini"))
    }
  }

  /// C3A.
  ///
  /// | PEFT | here |
  /// |---|---|
  /// | `M.c3a_kernel` [out / b, in / b, b] | `add_circulant` |
  mutating func addC3A() throws(InteropError) {
    for module in tensors.modules {
      try append(
        AddCirculant(target: module.weight, kernel: try tensors.take("c3a_kernel", of: module)))
    }
  }

  /// FourierFT.
  ///
  /// | PEFT | here |
  /// |---|---|
  /// | `M.fourierft_spectrum` [n] | `add_spectral` |
  /// | `random_loc_seed`, `scaling` | `seed`, `scale` |
  mutating func addFourierFT() throws(InteropError) {
    guard case .integer(let seed) = config["random_loc_seed"] else {
      throw .config(field: "random_loc_seed", "missing or no integer")
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

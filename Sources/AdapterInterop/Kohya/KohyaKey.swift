internal import StrictJSON

/// A tensor's name in a file of sd-scripts or LyCORIS: `lora_unet_mid_block_attentions_0_proj_in.lora_up.weight`.
struct KohyaKey {
  /// All before the first dot: the module.
  let module: String
  /// `lora_unet`.
  let prefix: Prefix
  /// The module's path with `_` for `.`.
  let path: String
  /// The part of the module that the key names: `lora_up.weight`.
  let leaf: String

  /// How a module's name begins, which says what it is a part of.
  enum Prefix: String, CaseIterable {
    // In this order: one may begin as another does.
    case textEncoder1 = "lora_te1"
    case textEncoder2 = "lora_te2"
    case textEncoder3 = "lora_te3"
    case textEncoder = "lora_te"
    case unet = "lora_unet"
    case transformer = "lora_transformer"
    case lycoris

    /// The parts of a pipeline that it may be; empty for any model, which is no pipeline's.
    var components: [PipelineComponent] {
      switch self {
      case .textEncoder, .textEncoder1: [.textEncoder]
      case .textEncoder2: [.textEncoder2]
      case .textEncoder3: [.textEncoder3]
      case .unet: [.unet, .transformer]
      case .transformer: [.transformer]
      case .lycoris: []
      }
    }

    /// That of a component, beside others of a pipeline.
    init(_ component: PipelineComponent, besideOthers: Bool) {
      self =
        switch component {
        case .unet, .transformer: .unet
        case .textEncoder: besideOthers ? .textEncoder1 : .textEncoder
        case .textEncoder2: .textEncoder2
        case .textEncoder3: .textEncoder3
        }
    }
  }

  /// Nil for a name of another form.
  init?(_ name: Name) {
    let text = name.text
    guard let dot = text.firstIndex(of: ".") else { return nil }
    let module = String(text[..<dot])
    guard let prefix = Prefix.allCases.first(where: { module.hasPrefix($0.rawValue + "_") }) else {
      return nil
    }
    (self.module, self.prefix) = (module, prefix)
    path = String(module.dropFirst(prefix.rawValue.count + 1))
    leaf = String(text[text.index(after: dot)...])
    guard !path.isEmpty, Self.leaves.contains(leaf) else { return nil }
  }

  /// Returns true if a name begins as a module's name does and has a dot, whatever else follows.
  static func isOfModule(_ name: Name) -> Bool {
    Prefix.allCases.contains { name.hasPrefix(Name($0.rawValue + "_")) } && name.text.contains(".")
  }

  /// The leaves that are understood, or refused by name.
  private static let leaves: Set<String> = understood.union(refused.keys)

  static let understood: Set<String> = [
    "lora_down.weight", "lora_up.weight", "lora_mid.weight", "alpha", "dora_scale",
    "hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2",
    "lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2",
    "diff", "diff_b", "w_norm", "b_norm", "weight", "on_input",
  ]

  /// Why a leaf is not read.
  static let refused: [String: String] = [
    "oft_blocks": "it rotates outputs by blocks, and no operation does",
    "oft_diag": "it rotates outputs by blocks, and no operation does",
    "rescale": "it rotates outputs by blocks, and no operation does",
    "scalar": "the multiplier of a training run that was not folded in",
    "a1.weight": "GLoRA", "a2.weight": "GLoRA", "b1.weight": "GLoRA", "b2.weight": "GLoRA",
    "bm.weight": "GLoRA", "bm1.weight": "GLoRA", "bm2.weight": "GLoRA",
    "lora_A.weight": "PEFT's names under kohya's: one of the two is not meant",
    "lora_B.weight": "PEFT's names under kohya's: one of the two is not meant",
    "lokr_t1": "LyCORIS has no use for it", "bias_indices": "a sparse bias of webui",
    "bias_values": "a sparse bias of webui", "bias_size": "a sparse bias of webui",
  ]
}

internal import StrictJSON

/// A tensor's name in a LoRA of diffusers: `unet.down_blocks.0.….to_q.lora_A.weight`, or one of the older forms.
struct DiffusersKey {
  /// The part of the pipeline; nil where the name does not say.
  let component: PipelineComponent?
  /// The module's path within it.
  let module: String
  let part: Part

  enum Part: String {
    case a
    case b
    case bias
    case magnitude
    case alpha
  }

  /// How names end, and what of the module it is; the longer ones of one end first.
  private static let endings: [(ending: String, part: Part)] = [
    (".lora_A.weight", .a), (".lora_B.weight", .b), (".lora_B.bias", .bias),
    (".lora_magnitude_vector.weight", .magnitude), (".lora_magnitude_vector", .magnitude),
    (".lora_linear_layer.down.weight", .a), (".lora_linear_layer.up.weight", .b),
    (".lora.down.weight", .a), (".lora.up.weight", .b),
    ("_lora.down.weight", .a), ("_lora.up.weight", .b),
    (".lora_down.weight", .a), (".lora_up.weight", .b),
    (".dora_scale", .magnitude), (".alpha", .alpha),
  ]

  /// Nil for a name of another form.
  init?(_ name: Name) {
    let text = name.text
    guard let (ending, part) = Self.endings.first(where: { text.hasSuffix($0.ending) }) else {
      return nil
    }
    self.part = part
    let path = String(text.dropLast(ending.count))
    let (component, inner) = Self.split(path)
    guard !inner.isEmpty, !inner.hasPrefix("base_model.") else { return nil }
    let isOfProcessor = ending.hasPrefix("_") || path.contains(".processor.")
    // Files of that age without a component are a UNet's.
    self.component = component ?? (isOfProcessor ? .unet : nil)
    module = isOfProcessor ? Self.moduleOfProcessor(inner, self.component) : inner
  }

  private static func split(_ path: String) -> (PipelineComponent?, String) {
    if let component = PipelineComponent(of: Name(path)) {
      return (component, String(path.dropFirst(component.rawValue.count + 1)))
    }
    let original = "diffusion_model."
    guard path.hasPrefix(original) else { return (nil, path) }
    let inner = String(path.dropFirst(original.count))
    let isUNet = ["input_blocks.", "middle_block.", "output_blocks.", "time_embed."].contains {
      inner.hasPrefix($0)
    }
    return (isUNet ? .unet : .transformer, inner)
  }

  /// `PATH.processor.to_out_lora` is of `PATH.to_out.0`; of a text encoder `PATH.to_out_lora` of `PATH.out_proj`.
  private static func moduleOfProcessor(
    _ path: String, _ component: PipelineComponent?
  ) -> String {
    let inner = path.replacing(".processor.", with: ".")
    let isOfText = ![PipelineComponent.unet, .transformer].contains(component)
    let renamed =
      isOfText
      ? [".to_q": ".q_proj", ".to_k": ".k_proj", ".to_v": ".v_proj", ".to_out": ".out_proj"]
      : [".to_out": ".to_out.0"]
    for (old, new) in renamed where inner.hasSuffix(old) {
      return inner.dropLast(old.count) + new
    }
    return inner
  }
}

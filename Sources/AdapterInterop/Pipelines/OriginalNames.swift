internal import Checkpoints
internal import StrictJSON

/// Modules of the original Stable Diffusion, SDXL and Flux, in a base that has diffusers' names.
///
/// The mapping is that of diffusers' own converters; here the base's names decide where they leave a choice.
struct OriginalNames {
  private let names: Set<String>
  private let rowCount: (String) -> Int?
  /// Layers of a block of the UNet.
  private let layerCount: Int

  /// A module of diffusers', and which of the original's rows are its own.
  struct Part {
    let module: String
    var rows = ModulePlace.Rows.all
  }

  /// - Parameters:
  ///   - modules: the modules of the part of the pipeline, in diffusers' names.
  ///   - rowCount: how many rows a module's weight has.
  init(_ modules: Set<String>, rowCount: @escaping (String) -> Int?) {
    names = modules
    self.rowCount = rowCount
    var count = 0
    while modules.contains("down_blocks.0.resnets.\(count).conv1") { count += 1 }
    layerCount = max(1, count)
  }

  /// Returns the base's parts for a module of the original; empty if the base has nothing for it.
  func parts(of path: String) -> [Part] {
    let parts = path.split(separator: ".").map(String.init)
    let found = unet(parts).map { [Part(module: $0)] } ?? flux(parts) ?? []
    return found.allSatisfy { names.contains($0.module) } ? found : []
  }

  // MARK: UNet

  private func unet(_ parts: [String]) -> String? {
    let fixed = [
      "input_blocks.0.0": "conv_in", "out.2": "conv_out",
      "time_embed.0": "time_embedding.linear_1", "time_embed.2": "time_embedding.linear_2",
      "label_emb.0.0": "add_embedding.linear_1", "label_emb.0.2": "add_embedding.linear_2",
    ]
    if let name = fixed[parts.joined(separator: ".")] { return name }
    guard let kind = parts.first, parts.count > 2 else { return nil }
    if kind == "middle_block", let place = Int(parts[1]) {
      let rest = Array(parts.dropFirst(2))
      switch place {
      case 0: return Self.resnet("mid_block.resnets.0", rest)
      case 1: return (["mid_block.attentions.0"] + rest).joined(separator: ".")
      case 2: return Self.resnet("mid_block.resnets.1", rest)
      default: return nil
      }
    }
    guard parts.count > 3, let block = Int(parts[1]), let place = Int(parts[2]) else { return nil }
    let rest = Array(parts.dropFirst(3))
    switch kind {
    case "input_blocks" where block > 0:
      let (index, layer) = (block - 1).quotientAndRemainder(dividingBy: layerCount + 1)
      let start = "down_blocks.\(index)"
      if rest == ["op"] { return "\(start).downsamplers.0.conv" }
      return place == 0
        ? Self.resnet("\(start).resnets.\(layer)", rest)
        : (["\(start).attentions.\(layer)"] + rest).joined(separator: ".")
    case "output_blocks":
      let (index, layer) = block.quotientAndRemainder(dividingBy: layerCount + 1)
      let start = "up_blocks.\(index)"
      if rest == ["conv"] { return "\(start).upsamplers.0.conv" }
      return place == 0
        ? Self.resnet("\(start).resnets.\(layer)", rest)
        : (["\(start).attentions.\(layer)"] + rest).joined(separator: ".")
    default: return nil
    }
  }

  private static func resnet(_ start: String, _ rest: [String]) -> String? {
    let inner = [
      "in_layers.0": "norm1", "in_layers.2": "conv1", "emb_layers.1": "time_emb_proj",
      "out_layers.0": "norm2", "out_layers.3": "conv2", "skip_connection": "conv_shortcut",
    ]
    return inner[rest.joined(separator: ".")].map { "\(start).\($0)" }
  }

  // MARK: Flux

  private func flux(_ parts: [String]) -> [Part]? {
    let outside = [
      "img_in": "x_embedder", "txt_in": "context_embedder", "final_layer.linear": "proj_out",
      "time_in.in_layer": "time_text_embed.timestep_embedder.linear_1",
      "time_in.out_layer": "time_text_embed.timestep_embedder.linear_2",
      "vector_in.in_layer": "time_text_embed.text_embedder.linear_1",
      "vector_in.out_layer": "time_text_embed.text_embedder.linear_2",
      "guidance_in.in_layer": "time_text_embed.guidance_embedder.linear_1",
      "guidance_in.out_layer": "time_text_embed.guidance_embedder.linear_2",
    ]
    let path = parts.joined(separator: ".")
    if let name = outside[path] { return [Part(module: name)] }
    if path == "final_layer.adaLN_modulation.1" {
      return [Part(module: "norm_out.linear", rows: .swappedHalves)]
    }
    guard parts.count > 2, let number = Int(parts[1]) else { return nil }
    let rest = parts.dropFirst(2).joined(separator: ".")
    switch parts[0] {
    case "double_blocks": return double("transformer_blocks.\(number)", rest)
    case "single_blocks": return single("single_transformer_blocks.\(number)", rest)
    default: return nil
    }
  }

  private func double(_ start: String, _ rest: String) -> [Part]? {
    let fused = [
      "img_attn.qkv": ["to_q", "to_k", "to_v"],
      "txt_attn.qkv": ["add_q_proj", "add_k_proj", "add_v_proj"],
    ]
    if let leaves = fused[rest] { return stacked(leaves.map { "\(start).attn.\($0)" }) }
    let names = [
      "img_attn.proj": "attn.to_out.0", "txt_attn.proj": "attn.to_add_out",
      "img_mlp.0": "ff.net.0.proj", "img_mlp.2": "ff.net.2", "txt_mlp.0": "ff_context.net.0.proj",
      "txt_mlp.2": "ff_context.net.2", "img_mod.lin": "norm1.linear",
      "txt_mod.lin": "norm1_context.linear",
    ]
    return names[rest].map { [Part(module: "\(start).\($0)")] }
  }

  private func single(_ start: String, _ rest: String) -> [Part]? {
    switch rest {
    case "linear1":
      stacked(["attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"].map { "\(start).\($0)" })
    case "linear2": [Part(module: "\(start).proj_out")]
    case "modulation.lin": [Part(module: "\(start).norm.linear")]
    default: nil
    }
  }

  /// Modules whose rows follow on each other in the original.
  private func stacked(_ modules: [String]) -> [Part]? {
    var start = 0
    var parts: [Part] = []
    for module in modules {
      guard let count = rowCount(module) else { return nil }
      parts.append(Part(module: module, rows: .some(start..<start + count)))
      start += count
    }
    return parts
  }
}

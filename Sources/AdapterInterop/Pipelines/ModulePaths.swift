/// The module paths of Stable Diffusion, SDXL, SD 3 and Flux, and of their text encoders, by which a path comes back
/// whose dots were written as `_`: a closed list, so that nothing is guessed.
enum ModulePaths {
  /// `#` is a number, `{a,b}` either.
  private static let patterns = [
    // The UNet of diffusers.
    "{down_blocks.#,up_blocks.#,mid_block}.resnets.#.{norm1,conv1,time_emb_proj,norm2,conv2,conv_shortcut}",
    "{down_blocks.#,up_blocks.#,mid_block}.attentions.#.{norm,proj_in,proj_out}",
    "{down_blocks.#,up_blocks.#,mid_block}.attentions.#.transformer_blocks.#.{norm1,norm2,norm3}",
    "{down_blocks.#,up_blocks.#,mid_block}.attentions.#.transformer_blocks.#.{attn1,attn2}.{to_q,to_k,to_v,to_out.#}",
    "{down_blocks.#,up_blocks.#,mid_block}.attentions.#.transformer_blocks.#.ff.net.{#,#.proj}",
    "{down_blocks.#.downsamplers,up_blocks.#.upsamplers}.#.conv",
    "{conv_in,conv_out,conv_norm_out,time_embedding.linear_#,add_embedding.linear_#}",
    // The same of the original models.
    "{input_blocks.#.#,output_blocks.#.#,middle_block.#}.{in_layers.#,emb_layers.#,out_layers.#,skip_connection,op,conv}",
    "{input_blocks.#.#,output_blocks.#.#,middle_block.#}.{norm,proj_in,proj_out}",
    "{input_blocks.#.#,output_blocks.#.#,middle_block.#}.transformer_blocks.#.{norm1,norm2,norm3}",
    "{input_blocks.#.#,output_blocks.#.#,middle_block.#}.transformer_blocks.#.{attn1,attn2}.{to_q,to_k,to_v,to_out.#}",
    "{input_blocks.#.#,output_blocks.#.#,middle_block.#}.transformer_blocks.#.ff.net.{#,#.proj}",
    "{input_blocks.#.#,time_embed.#,label_emb.#.#,out.#}",
    // CLIP and T5.
    "{text_model.,}encoder.layers.#.{self_attn.{q_proj,k_proj,v_proj,out_proj},mlp.{fc1,fc2},layer_norm1,layer_norm2}",
    "encoder.block.#.layer.#.{SelfAttention.{q,k,v,o},DenseReluDense.{wi,wi_#,wo},layer_norm}",
    // Flux, as it was published, and SD 3.
    "double_blocks.#.{img,txt}_{attn.{qkv,proj},mlp.#,mod.lin}",
    "single_blocks.#.{linear1,linear2,modulation.lin}",
    "{img_in,txt_in,{time_in,vector_in,guidance_in}.{in_layer,out_layer},final_layer.{linear,adaLN_modulation.#}}",
    "joint_blocks.#.{x_block,context_block}.{attn.{qkv,proj},mlp.{fc1,fc2},adaLN_modulation.#}",
    // Both in diffusers.
    "transformer_blocks.#.attn.{to_q,to_k,to_v,to_out.#,add_q_proj,add_k_proj,add_v_proj,to_add_out}",
    "transformer_blocks.#.{ff,ff_context}.net.{#,#.proj}",
    "transformer_blocks.#.{norm1,norm1_context}.linear",
    "single_transformer_blocks.#.{attn.{to_q,to_k,to_v},proj_mlp,proj_out,norm.linear}",
    "{x_embedder,context_embedder,norm_out.linear,proj_out}",
    "time_text_embed.{timestep_embedder,text_embedder,guidance_embedder}.linear_#",
  ]

  /// Paths with `#` for numbers, by the same with `_` for dots.
  private static let known: [String: String] = {
    var known: [String: String] = [:]
    for path in patterns.flatMap({ expanded($0) }) { known[flat(path).pattern] = path }
    return known
  }()

  /// All that a pattern stands for.
  private static func expanded(_ pattern: String) -> [String] {
    guard let open = pattern.firstIndex(of: "{") else { return [pattern] }
    var (depth, parts, part): (Int, [String], String) = (0, [], "")
    var end = pattern.endIndex
    for index in pattern[open...].indices {
      let character = pattern[index]
      depth += character == "{" ? 1 : character == "}" ? -1 : 0
      if depth == 0 {
        end = pattern.index(after: index)
        break
      }
      if depth == 1, character == "," {
        parts.append(part)
        part = ""
      } else if index != open {
        part.append(character)
      }
    }
    parts.append(part)
    return parts.flatMap { expanded(pattern[..<open] + $0 + pattern[end...]) }
  }

  /// The path with `_` for dots and `#` for numbers, and the numbers.
  private static func flat(_ path: String) -> (pattern: String, numbers: [Substring]) {
    var numbers: [Substring] = []
    let parts = path.split(omittingEmptySubsequences: false) { $0 == "." || $0 == "_" }
    let words = parts.map { part -> Substring in
      guard !part.isEmpty, part.allSatisfy({ $0.isASCII && $0.isNumber }) else { return part }
      numbers.append(part)
      return "#"
    }
    return (words.joined(separator: "_"), numbers)
  }

  /// The path of a module with its dots; nil where it is not one that is known.
  static func path(of module: String) -> String? {
    let (pattern, numbers) = flat(module)
    guard let path = known[pattern] else { return nil }
    var (rest, result) = (numbers[...], "")
    for character in path {
      if character == "#", let number = rest.popFirst() {
        result += number
      } else {
        result.append(character)
      }
    }
    return result
  }

  /// Returns true if a path is one of a diffusion transformer, not of a UNet.
  static func isOfTransformer(_ path: String) -> Bool {
    let word = path.prefix { $0 != "." }
    return [
      "double_blocks", "single_blocks", "joint_blocks", "transformer_blocks",
      "single_transformer_blocks", "final_layer", "img_in", "txt_in", "time_in", "vector_in",
      "guidance_in", "x_embedder", "context_embedder", "time_text_embed", "norm_out", "proj_out",
    ].contains(String(word))
  }
}

/// The words that module paths of Stable Diffusion, SDXL, SD 3 and Flux are made of, by which a path comes back whose
/// dots were written as `_`.
///
/// A path is taken only where it can be read in one way.
enum ModuleWords {
  /// Words that only a path begins with.
  private static let first: Set<String> = [
    "out", "conv_in", "conv_out", "time_embed", "label_emb", "time_embedding", "add_embedding",
    "img_in", "txt_in", "time_in", "vector_in", "guidance_in", "final_layer", "x_embedder",
    "context_embedder", "time_text_embed", "text_model", "encoder", "proj_out", "norm_out",
  ]

  private static let words: Set<String> = Set(
    """
    down_blocks up_blocks mid_block resnets attentions transformer_blocks single_transformer_blocks
    downsamplers upsamplers conv conv1 conv2 conv_shortcut norm norm1 norm2 norm3 time_emb_proj linear_1
    linear_2 proj_in proj_out attn1 attn2 attn to_q to_k to_v to_out ff ff_context net proj
    input_blocks middle_block output_blocks in_layers out_layers emb_layers skip_connection op
    double_blocks single_blocks joint_blocks img_attn txt_attn img_mlp txt_mlp img_mod txt_mod lin qkv linear1
    linear2 modulation linear adaLN_modulation in_layer out_layer add_q_proj add_k_proj add_v_proj
    to_add_out norm1_context timestep_embedder text_embedder guidance_embedder
    encoder layers self_attn q_proj k_proj v_proj out_proj mlp fc1 fc2 layer_norm1 layer_norm2
    final_layer_norm embeddings token_embedding position_embedding block layer SelfAttention
    DenseReluDense q k v o wi_0 wi_1 wo
    """.split(whereSeparator: \.isWhitespace).map(String.init))

  private static let longest = 5

  /// The path with its dots; nil where it is made of other words, or of these in several ways.
  static func path(of flat: String) -> String? {
    let parts = flat.split(separator: "_", omittingEmptySubsequences: false).map(String.init)
    guard parts.count <= 64, !parts.contains("") else { return nil }
    // From each place on: how many ways there are, and the first.
    var ways: [(count: Int, word: Int)] = Array(repeating: (0, 0), count: parts.count + 1)
    ways[parts.count] = (1, 0)
    for start in parts.indices.reversed() {
      for length in 1...min(longest, parts.count - start)
      where ways[start + length].count > 0 && isWord(parts[start..<start + length], at: start) {
        ways[start] = (min(2, ways[start].count + ways[start + length].count), length)
      }
    }
    guard ways[0].count == 1 else { return nil }
    var (words, place): ([String], Int) = ([], 0)
    while place < parts.count {
      words.append(parts[place..<place + ways[place].word].joined(separator: "_"))
      place += ways[place].word
    }
    return words.joined(separator: ".")
  }

  private static func isWord(_ parts: ArraySlice<String>, at start: Int) -> Bool {
    if parts.count == 1, let number = parts.first, Int(number) != nil { return start > 0 }
    let word = parts.joined(separator: "_")
    return words.contains(word) || (start == 0 && first.contains(word))
  }

  /// Whether a path is one of a diffusion transformer, not of a UNet.
  static func isOfTransformer(_ path: String) -> Bool {
    let word = path.prefix { $0 != "." }
    return [
      "double_blocks", "single_blocks", "joint_blocks", "transformer_blocks",
      "single_transformer_blocks", "final_layer", "img_in", "txt_in", "time_in", "vector_in",
      "guidance_in", "x_embedder", "context_embedder", "time_text_embed", "norm_out", "proj_out",
    ].contains(String(word))
  }
}

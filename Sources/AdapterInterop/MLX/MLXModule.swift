internal import Checkpoints
internal import StrictJSON

/// A module of mlx-lm's model by its path.
struct MLXModule: Hashable {
  /// `model.layers.3.self_attn.q_proj`.
  let path: String

  /// The number of its block, and its path inside; nil outside of blocks.
  var inBlock: (number: Int, path: String)? {
    let parts = path.split(separator: ".", omittingEmptySubsequences: false)
    guard
      let place = parts.indices.dropFirst().first(where: {
        Int(parts[$0]) != nil && Self.stacks.contains(String(parts[$0 - 1]))
      }), let number = Int(parts[place]), number >= 0, place + 1 < parts.count
    else { return nil }
    return (number, parts[(place + 1)...].joined(separator: "."))
  }

  /// A module of transformers' model, under mlx-lm's name: GPT-2 is the one whose path begins otherwise.
  init(of weight: Name) {
    let text = String(weight.text.dropLast(".weight".utf8.count))
    let isGPT2 = text.hasPrefix("transformer.h.") || text.hasPrefix("transformer.w")
    if isGPT2 {
      path = "model." + text.dropFirst("transformer.".count)
    } else if text.hasPrefix("h.") || text == "wte" || text == "wpe" {
      path = "model." + text
    } else {
      path = text
    }
  }

  init(path: String) { self.path = path }

  /// The weight under transformers' name.
  var weight: Name {
    let isGPT2 = path.hasPrefix("model.h.") || path.hasPrefix("model.w")
    return Name((isGPT2 ? "transformer." + path.dropFirst("model.".count) : path) + ".weight")
  }

  /// The names of the list of blocks in the models of mlx-lm and of transformers.
  private static let stacks: Set<String> = ["layers", "h", "blocks"]

  /// True if it holds a stack of experts.
  var isExperts: Bool { path.contains(".switch_mlp.") || path.contains(".switch_glu.") }

  /// True if it is an embedding, by its name.
  var isEmbedding: Bool { AnyFamily.isInputEmbedding(Name(path + ".weight")) }
}

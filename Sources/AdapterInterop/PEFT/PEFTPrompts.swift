internal import AdapterFormat
internal import Operations
internal import Storage
internal import StrictJSON

/// Prompt tuning and P-tuning: PEFT saves the rows that go before the input, whatever made them.
///
/// | PEFT | here |
/// |---|---|
/// | `prompt_embeddings` [n · submodules, dim] | `prepend_embeddings` of the first n rows |
/// | `num_transformer_submodules` 2 | `stream` encoder; the other rows are never read |
extension PEFTMeaning {
  mutating func addPrompt() throws(InteropError) {
    let info = try promptEmbeddings()
    let count = try config.count("num_virtual_tokens")
    let parts =
      try config["num_transformer_submodules"].map { _ throws(InteropError) in
        try config.count("num_transformer_submodules")
      } ?? 1
    guard info.shape.dimensions.count == 2, parts <= 2, info.shape.dimensions[0] == count * parts
    else {
      throw .tensors(
        "prompt_embeddings is \(info.shape), not of \(parts) × num_virtual_tokens = \(count) rows")
    }
    let operand = try tensors.take(info)
    guard parts == 2 else {
      return try append(PrependEmbeddings(values: operand, stream: .decoder))
    }
    let width = info.shape.dimensions[1]
    let used = TypedOperand(.init(info.name, window: [0..<count, 0..<width]), in: info)
    tensors.noteUnused(
      info, window: [count..<2 * count, 0..<width],
      reason: "PEFT gives the encoder the first half, and the decoder nothing")
    try append(PrependEmbeddings(values: used, stream: .encoder))
  }

  /// The one tensor that a soft prompt or a prefix has.
  func promptEmbeddings() throws(InteropError) -> TensorInfo {
    let found = tensors.modules.compactMap { $0.parts["prompt_embeddings"] }
    guard let info = found.first, found.count == 1 else {
      throw .tensors("\(found.count) tensors are called prompt_embeddings, not one")
    }
    return info
  }
}

/// Where a prefix keeps the keys and values of each layer.
public enum PrefixOrder: String, Sendable, Hashable, CaseIterable {
  /// Keys of layer i in slot 2i, values in slot 2i + 1.
  case interleaved
  /// Keys of layer i in slot i, values in slot L + i: BLOOM before transformers 4.44.
  case split
}

/// Prefix tuning: PEFT saves what goes into the cache, the projection already done.
///
/// | PEFT | here |
/// |---|---|
/// | `prompt_embeddings` [n, 2 · layers · token_dim] | `prepend_kv` |
/// | `num_attention_heads` (of keys), `token_dim` | `heads`, `head_dim` |
/// | `num_layers`, two submodules or one | `slots` |
extension PEFTMeaning {
  mutating func addPrefix(_ chosen: PrefixOrder?) throws(InteropError) {
    let info = try promptEmbeddings()
    let operand = try tensors.take(info)
    let layers = try config.count("num_layers")
    let heads = try config.count("num_attention_heads")
    let width = try config.count("token_dim")
    guard width.isMultiple(of: heads), layers <= 1 << 16, width <= 1 << 24,
      info.shape.dimensions == [try config.count("num_virtual_tokens"), 2 * layers * width]
    else {
      throw .tensors(
        "prompt_embeddings is \(info.shape), not [num_virtual_tokens, 2 × \(layers) layers × \(width)]"
      )
    }
    let isSequenceToSequence = config["num_transformer_submodules"]?.double == 2
    let slots =
      isSequenceToSequence
      ? (0..<layers).map {
        PrependKV.Slots(key: 4 * $0 % (2 * layers), value: (4 * $0 + 1) % (2 * layers))
      }
      : Self.slots(layers, try order(chosen))
    let used = Set(slots.flatMap { [$0.key, $0.value] })
    for slot in 0..<2 * layers where !used.contains(slot) {
      tensors.noteUnused(
        info, window: [0..<info.shape.dimensions[0], slot * width..<(slot + 1) * width],
        reason: "no layer reads slot \(slot)")
    }
    try append(
      PrependKV(
        values: operand, headCount: heads, headDimension: width / heads, slots: slots,
        stream: .decoder))
  }

  private static func slots(_ layers: Int, _ order: PrefixOrder) -> [PrependKV.Slots] {
    (0..<layers).map {
      order == .interleaved
        ? .init(key: 2 * $0, value: 2 * $0 + 1) : .init(key: $0, value: layers + $0)
    }
  }

  /// A file of PEFT 0.16 or later was made with a transformers that reads every model alike. An older
  /// one for BLOOM may be of either kind, and does not say.
  private func order(_ chosen: PrefixOrder?) throws(InteropError) -> PrefixOrder {
    let name = config.text("base_model_name_or_path")?.lowercased() ?? ""
    guard config.version == nil, name.contains("bloom") else {
      guard let chosen, chosen == .split, !name.contains("bloom") else {
        return chosen ?? .interleaved
      }
      throw .tensors("only BLOOM had prefixes in another order")
    }
    guard let chosen else { throw .undecidedPrefix }
    return chosen
  }
}

internal import AdapterFormat
internal import Operations
internal import Storage
internal import StrictJSON

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
extension PEFTMethod {
  static let prefixTuning = PEFTMethod(
    type: "PREFIX_TUNING", title: "prefix tuning", parts: ["prompt_embeddings"],
    fields: prefixFields.merging(
      FieldRules(noEffect: "encoder_hidden_size init_weights prefix_projection")),
    hasEncoder: true, answers: PrefixOrder.allCases.map { ImportChoices(prefixOrder: $0) },
    read: { meaning, choices in try meaning.addPrefix(choices.prefixOrder) },
    writing: .prefixTuning)

  /// The fields of every method that gives a model keys and values.
  static let prefixFields = promptFields.merging(
    FieldRules(honoured: "num_attention_heads num_layers token_dim"))
}

extension PEFTMeaning {
  /// Adds the keys and values that stand before those of the input.
  mutating func addPrefix(_ chosen: PrefixOrder?) throws {
    let info = try promptEmbeddings()
    let operand = try tensors.take(info)
    let layers = try config.count("num_layers")
    let heads = try config.count("num_attention_heads")
    let width = try config.count("token_dim")
    guard width.isMultiple(of: heads), layers <= 1 << 16, width <= 1 << 24,
      info.shape.dimensions == [try config.count("num_virtual_tokens"), 2 * layers * width]
    else {
      throw InteropError.tensors(
        "prompt_embeddings is \(info.shape), not [num_virtual_tokens, 2 × \(layers) layers × \(width)]"
      )
    }
    let isSequenceToSequence = config["num_transformer_submodules"]?.double == 2
    let slots =
      isSequenceToSequence
      ? PrependKV.encoderDecoderSlots(layers) : Self.slots(layers, try order(chosen))
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
  private func order(_ chosen: PrefixOrder?) throws -> PrefixOrder {
    let name = config.text("base_model_name_or_path")?.lowercased() ?? ""
    guard config.version == nil, name.contains("bloom") else {
      guard let chosen, chosen == .split, !name.contains("bloom") else {
        return chosen ?? .interleaved
      }
      throw InteropError.tensors("only BLOOM had prefixes in another order")
    }
    guard let chosen else {
      throw InteropError(
        .undecided(.prefixOrder),
        "the prefix is for BLOOM, and its file does not record the order of keys and values")
    }
    return chosen
  }
}

extension PrependKV {
  /// Where PEFT's encoder-decoders find keys and values: the slots stand there twice, and every layer takes four,
  /// of which the last two would be for the attention to the encoder.
  static func encoderDecoderSlots(_ layers: Int) -> [Slots] {
    (0..<layers).map { Slots(key: 4 * $0 % (2 * layers), value: (4 * $0 + 1) % (2 * layers)) }
  }
}

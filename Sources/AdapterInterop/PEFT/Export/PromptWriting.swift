internal import AdapterFormat
internal import Operations
internal import Storage
internal import StrictJSON

extension PEFTWriting {
  /// Prompt tuning, of operations alone.
  ///
  /// | here | PEFT |
  /// |---|---|
  /// | `prepend_embeddings` [n, dim] | `prompt_embeddings` [n, dim] |
  /// | before an encoder's input | [2 n, dim], of which PEFT reads the first half |
  static let promptTuning = PEFTWriting(main: PrependEmbeddings.op) { draft in
    var isFirst = true
    for operation in draft.adapter.operations {
      guard let prompt = operation.as(PrependEmbeddings.self) else { continue }
      guard isFirst else {
        draft.lose(.effect, operation, "PEFT has one prompt for an adapter")
        continue
      }
      isFirst = false
      draft.addPrompt(prompt)
    }
  }

  /// Prefix tuning, of operations alone.
  ///
  /// | here | PEFT |
  /// |---|---|
  /// | `prepend_kv`, its slots in any order | `prompt_embeddings` [n, 2 · layers · width]: keys of layer i in slot 2i, values in slot 2i + 1 |
  /// | slots as an encoder-decoder reads them | the same tensor, two submodules |
  static let prefixTuning = PEFTWriting(main: PrependKV.op) { draft in
    var isFirst = true
    for operation in draft.adapter.operations {
      guard let prefix = operation.as(PrependKV.self) else { continue }
      guard isFirst, prefix.stream == .decoder, !prefix.slots.isEmpty else {
        draft.lose(
          .effect, operation, "PEFT has one prefix for an adapter, of its decoder's layers")
        continue
      }
      isFirst = false
      draft.addPrefix(prefix)
    }
  }
}

extension PEFTDraft {
  private static let promptKey: Name = "prompt_embeddings"

  fileprivate mutating func addPrompt(_ prompt: PrependEmbeddings) {
    let (count, width) = (prompt.tokenCount, prompt.values.shape[1])
    let isEncoder = prompt.stream == .encoder
    fields.merge([
      "task_type": .string(isEncoder ? "SEQ_2_SEQ_LM" : "CAUSAL_LM"),
      "num_transformer_submodules": .count(isEncoder ? 2 : 1), "num_virtual_tokens": .count(count),
      "token_dim": .count(width), "prompt_tuning_init": .string("RANDOM"),
    ]) { $1 }
    guard isEncoder else { return add(Self.promptKey, prompt.values) }
    let (adapter, operand) = (adapter, prompt.values.operand)
    add(Self.promptKey, prompt.values.type, [2 * count, width]) {
      let rows = try OperandBytes.contents(of: operand, adapter)
      return rows + [UInt8](repeating: 0, count: rows.count)
    }
  }

  fileprivate mutating func addPrefix(_ prefix: PrependKV) {
    let (layers, width) = (prefix.slots.count, prefix.headCount * prefix.headDimension)
    let isSequenceToSequence = layers > 1 && prefix.slots == PrependKV.encoderDecoderSlots(layers)
    fields.merge([
      "task_type": .string(isSequenceToSequence ? "SEQ_2_SEQ_LM" : "CAUSAL_LM"),
      "num_transformer_submodules": .count(isSequenceToSequence ? 2 : 1),
      "num_virtual_tokens": .count(prefix.tokenCount), "num_layers": .count(layers),
      "num_attention_heads": .count(prefix.headCount), "token_dim": .count(width),
      "prefix_projection": .boolean(false),
    ]) { $1 }
    let order =
      isSequenceToSequence
      ? Array(0..<2 * layers) : prefix.slots.flatMap { [$0.key, $0.value] }
    let slotCount = prefix.values.shape[1] / width
    guard order != Array(0..<slotCount) else { return add(Self.promptKey, prefix.values) }
    let (adapter, operand) = (adapter, prefix.values.operand)
    let byteCount = width * prefix.values.type.bitWidth / 8
    add(Self.promptKey, prefix.values.type, [prefix.tokenCount, order.count * width]) {
      () in
      let bytes = try OperandBytes.contents(of: operand, adapter)
      return (0..<prefix.tokenCount).flatMap { token in
        order.flatMap { slot -> [UInt8] in
          // A slot that is not there is one that no layer reads.
          guard slot < slotCount else { return [UInt8](repeating: 0, count: byteCount) }
          let start = (token * slotCount + slot) * byteCount
          return Array(bytes[start..<start + byteCount])
        }
      }
    }
  }
}

internal import Operations
internal import StrictJSON

extension PEFTWriting {
  /// LoRA, of operations alone.
  ///
  /// | here | PEFT |
  /// |---|---|
  /// | `add_low_rank` on `M.weight` | `M.lora_A`, `M.lora_B`; on an embedding `M.lora_embedding_A`, `_B` |
  /// | its `scale` | `r`, `lora_alpha`, or both by pattern |
  /// | its `diagonal`, `row_scale` | multiplied into B |
  /// | its `magnitude`, of all or none | `use_dora` |
  /// | its blocks, one number of them | `use_bdlora` |
  /// | its `experts` | `target_parameters` |
  /// | on `M.in_proj_weight` and `M.out_proj.weight` | M, a `MultiheadAttention` |
  /// | `add` on the bias of a weight that changes | `lora_bias` |
  /// | `replace` | `modules_to_save`, `bias`, or an embedding saved along |
  /// | `replace_rows` | `trainable_token_indices` |
  static let lora = PEFTWriting(main: AddLowRank.op, others: [Add.op, Replace.op, ReplaceRows.op]) {
    draft in
    let modules = LoRAModule.all(&draft)
    let numbers = LoRANumbers(modules)
    draft.fields.merge([
      "r": .count(numbers.rank), "lora_alpha": .shortest(numbers.alpha),
      "use_rslora": .boolean(false),
      "rank_pattern": numbers.rankPattern, "alpha_pattern": numbers.alphaPattern,
      "lora_dropout": .number(0), "init_lora_weights": .boolean(true),
      "fan_in_fan_out": .boolean(modules.allSatisfy(\.isTransposed)),
      "target_modules": .names(modules.filter { $0.kind != .parameter }.map(\.name)),
    ]) { $1 }
    let parameters = modules.filter { $0.kind == .parameter }.map(\.name)
    draft.fields["target_parameters"] = parameters.isEmpty ? .null : .names(parameters)
    for module in modules {
      module.write(to: &draft)
      guard !numbers.isExact(for: module) else { continue }
      draft.lose(
        .rounding, module.low, "its scale, to the nearest that alpha / r can be")
    }
    writeVariants(of: modules, to: &draft)
    writeBiases(of: modules, numbers, to: &draft)
    draft.writeParameters(beside: Set(modules.map(\.module)), holdsBiases: true)
    draft.writeRows(beside: Set(modules.map(\.module)))
  }

  /// DoRA and BD-LoRA, which are settings of the whole adapter.
  private static func writeVariants(of modules: [LoRAModule], to draft: inout PEFTDraft) {
    let usesMagnitudes = modules.contains { $0.low.magnitude != nil }
    draft.fields["use_dora"] = .boolean(usesMagnitudes)
    for module in modules where usesMagnitudes {
      if module.low.magnitude == nil {
        draft.lose(
          .effect, module.low,
          "it has no magnitude, and PEFT has one for every change of an adapter or for none")
      } else if module.kind == .parameter || module.kind == .attention {
        draft.lose(.effect, module.low, "PEFT has no magnitude for it")
      }
    }
    let blocked = modules.filter { $0.blockCount > 1 }
    guard let count = blocked.first?.blockCount else { return }
    func names(_ isBlocked: (AddLowRank) -> Bool) -> [Name] {
      blocked.filter { isBlocked($0.low) }.map(\.name)
    }
    draft.fields["use_bdlora"] = .object([
      .init("match_strict", .boolean(blocked.count == modules.count)),
      .init("nblocks", .count(count)),
      .init("target_modules_bd_a", .names(names { $0.aBlocks > 1 })),
      .init("target_modules_bd_b", .names(names { $0.bBlocks > 1 })),
    ])
    for module in modules {
      // PEFT looks for the listed names anywhere in a module's.
      let isNamed = blocked.contains { module.name.text.contains($0.name.text) }
      if module.kind != .linear {
        draft.lose(
          .effect, module.low, "PEFT has blocks in an adapter of linear weights alone")
      } else if module.blockCount != (isNamed ? count : 1) {
        draft.lose(
          .effect, module.low, "PEFT has one number of blocks for all changes of an adapter")
      }
    }
  }

  /// Changes of the biases beside the weights: PEFT scales them as the weight's.
  private static func writeBiases(
    of modules: [LoRAModule], _ numbers: LoRANumbers, to draft: inout PEFTDraft
  ) {
    let linear = Dictionary(
      modules.filter { $0.kind == .linear }.map { ($0.module, $0) },
      uniquingKeysWith: { first, _ in first })
    var biases: [Name: Add] = [:]
    for operation in draft.adapter.operations {
      guard let add = operation.as(Add.self) else { continue }
      guard let name = ParameterName(add.target.name), name.leaf == "bias",
        let module = linear[name.module], numbers.scale(of: module) != 0
      else {
        draft.lose(
          .effect, operation, "PEFT changes biases only beside linear weights that it changes")
        continue
      }
      guard biases.updateValue(add, forKey: name.module) != nil else { continue }
      draft.lose(.effect, operation, "another one changes the same bias")
    }
    guard !biases.isEmpty else { return }
    draft.fields["lora_bias"] = .boolean(true)
    for module in modules {
      if let reason = module.reasonWithoutBias {
        draft.lose(.effect, module.low, reason)
      }
      module.writeBias(biases[module.module], scale: numbers.scale(of: module), to: &draft)
    }
  }
}

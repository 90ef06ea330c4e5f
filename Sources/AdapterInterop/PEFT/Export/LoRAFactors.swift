internal import Operations
internal import Storage
internal import StrictJSON

// The tensors of one module.

extension LoRAModule {
  /// Adds the factors.
  func write(to draft: inout PEFTDraft) {
    let path = Name(module.text + String(repeating: ".base_layer", count: depth))
    let stem = kind == .embedding ? "lora_embedding" : "lora"
    let leaf = kind == .embedding ? "" : ".weight"
    write(
      low, PEFTDraft.key(path, "\(stem)_A\(leaf)"), PEFTDraft.key(path, "\(stem)_B\(leaf)"), &draft)
    if let output {
      let inner = Name("\(module).base_layer.out_proj")
      write(
        output, PEFTDraft.key(inner, "lora_A.weight"), PEFTDraft.key(inner, "lora_B.weight"), &draft
      )
    }
    if let magnitude = low.magnitude {
      let kernel = aShape.count - 2
      draft.add(
        PEFTDraft.key(path, "lora_magnitude_vector"), magnitude,
        shape: kernel > 0
          ? [1, low.outputCount] + Array(repeating: 1, count: kernel) : [low.outputCount])
    }
  }

  /// Adds what a bias changes by; zeros where it does not, for PEFT has it for every module or for none.
  func writeBias(_ add: Add?, scale: Double, to draft: inout PEFTDraft) {
    let key = PEFTDraft.key(module, "lora_B.bias")
    guard let add else {
      let count = low.outputCount
      return draft.add(key, .f32, [count]) { Array(repeating: 0, count: 4 * count) }
    }
    guard add.scale != scale else { return draft.add(key, add.delta, shape: [add.delta.count]) }
    draft.lose(.rounding, add, "its scale is another than that of the weight")
    draft.add(key, add.delta, times: add.scale / scale)
  }

  /// A's shape as PEFT has it: of a kernel its positions are dimensions.
  private var aShape: [Int] { Self.shape(low) }

  private static func shape(_ low: AddLowRank) -> [Int] {
    guard low.a.shape.count == 2, low.aBlocks == 1, let stored = low.target.shape?.dimensions,
      stored.count > 2, low.experts == nil, stored.dropFirst().reduce(1, *) == low.a.shape[1]
    else { return low.a.shape }
    return [low.a.shape[0]] + stored.dropFirst()
  }

  private func write(_ low: AddLowRank, _ aKey: Name, _ bKey: Name, _ draft: inout PEFTDraft) {
    let shape = Self.shape(low)
    if low.isWide, let width = low.inputWidth, width < low.a.shape[1] {
      draft.add(aKey, low.a, columns: width)
    } else {
      draft.add(aKey, low.a, shape: shape)
    }
    let bShape = Array(low.b.shape.prefix(2)) + Array(repeating: 1, count: max(0, shape.count - 2))
    guard low.diagonal != nil || low.rowScale != nil else {
      return draft.add(bKey, low.b, shape: bShape)
    }
    draft.lose(.rounding, low, "its diagonal and row scale, multiplied into B")
    draft.add(bKey, low.b, shape: bShape, rows: low.rowScale, columns: low.diagonal)
  }
}

internal import Operations
internal import Storage
internal import StrictJSON

/// A module, or a parameter, that PEFT's LoRA wraps: what an operation on a weight becomes.
struct LoRAModule: Sendable {
  /// As `target_modules` or `target_parameters` names it, and the patterns match it.
  let name: Name
  /// The module whose tensors hold the factors.
  let module: Name
  let kind: Kind
  let low: AddLowRank
  /// The change of an attention's output, beside that of its input.
  private let output: AddLowRank?
  /// `base_layer`s between the module and its factors: of several wrapped parameters the first is innermost.
  private let depth: Int

  enum Kind: Sendable {
    case linear
    case embedding
    /// One of `target_parameters`.
    case parameter
    /// A `MultiheadAttention`.
    case attention
  }

  var blockCount: Int { max(low.aBlocks, low.bBlocks) }
  /// Whether it is transformers' `Conv1D`.
  var isTransposed: Bool { kind == .linear && low.target.layout == .inOut }
}

// MARK: - Finding them

extension LoRAModule {
  /// The modules of all low-rank changes; what PEFT's LoRA cannot say is lost.
  static func all(_ draft: inout PEFTDraft) -> [LoRAModule] {
    var lows: [Name: AddLowRank] = [:]
    var order: [AddLowRank] = []
    for operation in draft.adapter.operations {
      guard let low = operation.as(AddLowRank.self) else { continue }
      if low.rank == 0 {
        draft.lose(.record, operation, "it has rank 0, and changes nothing")
      } else if lows.updateValue(low, forKey: low.target.name) != nil {
        draft.lose(.effect, operation, "another one changes the same weight: combine them first")
      } else if let reason = low.reasonNotToSay {
        draft.lose(.effect, operation, reason)
      } else {
        order.append(low)
      }
    }
    let attentions = attentions(lows)
    let stacks = stacks(order)
    var modules: [LoRAModule] = []
    for low in order where !attentions.outputs.contains(low.target.name) {
      if let module = LoRAModule(low, lows, attentions.inputs, stacks) {
        modules.append(module)
      } else {
        draft.lose(
          .effect, low,
          low.experts == nil
            ? "PEFT's LoRA changes weights of modules, and both of an attention's or neither"
            : "nothing says which of the module's parameters PEFT wraps first")
      }
    }
    return modules
  }

  private init?(
    _ low: AddLowRank, _ lows: [Name: AddLowRank], _ attentions: Set<Name>,
    _ stacks: [Name: [String]]
  ) {
    guard let name = ParameterName(low.target.name) else { return nil }
    self.low = low
    module = name.module
    if low.experts != nil {
      guard let leaves = stacks[name.module], let place = leaves.firstIndex(of: name.leaf) else {
        return nil
      }
      (self.name, kind, output) = (low.target.name, .parameter, nil)
      depth = leaves.count - 1 - place
      return
    }
    depth = 0
    self.name = name.module
    if attentions.contains(low.target.name) {
      (kind, output) = (.attention, lows[Name("\(name.module).out_proj.weight")])
      return
    }
    guard name.leaf == "weight" else { return nil }
    output = nil
    kind = low.isOnEmbedding(name.module) ? .embedding : .linear
  }

  /// The weights of attentions whose input and output change as PEFT changes them: by one rank, and the output
  /// twice.
  private static func attentions(
    _ lows: [Name: AddLowRank]
  ) -> (inputs: Set<Name>, outputs: Set<Name>) {
    var (inputs, outputs): (Set<Name>, Set<Name>) = ([], [])
    for (name, input) in lows where name.hasSuffix(".in_proj_weight") {
      let outputName = Name("\(name.dropLast("in_proj_weight".utf8.count))out_proj.weight")
      guard let output = lows[outputName], output.rank == input.rank,
        output.scale == 2 * input.scale, output.magnitude == nil, input.magnitude == nil
      else { continue }
      inputs.insert(name)
      outputs.insert(outputName)
    }
    return (inputs, outputs)
  }

  /// The stacks of experts of each module, in the order in which PEFT wraps them; none where that is not known.
  private static func stacks(_ lows: [AddLowRank]) -> [Name: [String]] {
    var stacks: [Name: [String]] = [:]
    for low in lows where low.experts != nil {
      guard let name = ParameterName(low.target.name) else { continue }
      stacks[name.module, default: []].append(name.leaf)
    }
    return stacks.mapValues { leaves in
      let known = PEFTPlaces.declarationOrder.filter(leaves.contains)
      return leaves.count == 1 ? leaves : known.count == leaves.count ? known : []
    }
  }
}

extension AddLowRank {
  /// What PEFT's LoRA has no place for.
  fileprivate var reasonNotToSay: String? {
    let isScaled = diagonal != nil || rowScale != nil
    if isScaled && max(aBlocks, bBlocks) > 1 { return "it has blocks and a diagonal or row scale" }
    if isWide && (aBlocks > 1 || inputWidth == nil) {
      return "its A is wider than the weight, whose shape is not recorded"
    }
    if aBlocks > 1 && bBlocks > 1 { return "both of its factors are in blocks" }
    if experts != nil && target.layout == .inOut {
      return "PEFT reads a stack of [in, out] by what the model says, which is not known here"
    }
    return nil
  }

  /// Columns of the logical weight by its recorded shape.
  var inputWidth: Int? {
    guard let shape = target.shape?.dimensions, shape.count == 2 else { return nil }
    return target.layout == .inOut ? shape[0] : target.layout == .outIn ? shape[1] : nil
  }

  /// An embedding is stored as `Conv1D` is, and its module has another name.
  fileprivate func isOnEmbedding(_ module: Name) -> Bool {
    guard target.layout == .inOut, a.shape.count == 2 else { return false }
    return target.layoutSource == .kind || !PEFTLayouts.isTransposable(module)
  }
}

// MARK: - Writing them

extension LoRAModule {
  /// Why it cannot be in one adapter with changes of biases; nil where it can.
  var reasonWithoutBias: String? {
    if low.magnitude != nil { return "PEFT has no changes of biases in an adapter with magnitudes" }
    return kind == .linear
      ? nil : "PEFT has no changes of biases in an adapter that changes what is not a linear weight"
  }
}

extension LoRAModule {
  /// Adds the factors.
  func write(to draft: inout PEFTDraft, scale: Double) {
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

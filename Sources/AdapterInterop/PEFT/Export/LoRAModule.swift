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
  let output: AddLowRank?
  /// `base_layer`s between the module and its factors: of several wrapped parameters the first is innermost.
  let depth: Int

  enum Kind: Sendable {
    case linear
    case embedding
    /// One of `target_parameters`.
    case parameter
    /// A `MultiheadAttention`.
    case attention
  }

  /// Why it cannot be in one adapter with changes of biases; nil where it can.
  var reasonWithoutBias: String? {
    if low.magnitude != nil { return "PEFT has no changes of biases in an adapter with magnitudes" }
    return kind == .linear
      ? nil : "PEFT has no changes of biases in an adapter that changes what is not a linear weight"
  }
  var blockCount: Int { max(low.aBlocks, low.bBlocks) }
  /// True if it is transformers' `Conv1D`.
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
        output.scale == 2 * input.scale, output.magnitude == nil,
        output.bBlocks * output.aBlocks == 1
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
  /// The reason that PEFT's LoRA has no place for it; nil if it has one.
  fileprivate var reasonNotToSay: String? {
    let isScaled = diagonal != nil || rowScale != nil
    if isScaled && max(aBlocks, bBlocks) > 1 { return "it has blocks and a diagonal or row scale" }
    if isWide && (aBlocks > 1 || inputWidth == nil) {
      return "its A is wider than the weight, whose shape is not recorded"
    }
    if aBlocks > 1 && bBlocks > 1 { return "both of its factors are in blocks" }
    if experts == 1 { return "it is a stack of one, which PEFT takes for a matrix" }
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
    target.layout == .inOut && a.shape.count == 2 && !PEFTLayouts.isTransposable(module)
  }
}

internal import AdapterFormat
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// An adapter as the file of sd-scripts, or of LyCORIS where it is more than pairs: `KohyaImport`, backwards.
struct KohyaExport {
  private let choices: ExportChoices
  private var draft: TensorDraft
  private var losses: [ForeignExport.Loss] = []
  private var modules: [String: Name] = [:]
  private var isPairsAlone = true
  private var ranks: [(rank: Int, alpha: Double, count: Int)] = []
  private let isOfSeveralEncoders: Bool

  /// - Throws: `InteropError` where nothing of the adapter can be written, or nothing says which part of a pipeline a
  ///   target is of.
  init(_ adapter: Adapter, _ choices: ExportChoices) throws {
    self.choices = choices
    draft = TensorDraft(of: adapter)
    let components = Set(
      adapter.operations.compactMap { $0.target.flatMap { PipelineComponent(of: $0.name) } })
    isOfSeveralEncoders = !components.isDisjoint(with: [.textEncoder2, .textEncoder3])
    var taken: Set<Name> = []
    for operation in adapter.operations {
      if let target = operation.target?.name, !taken.insert(target).inserted {
        losses.add(.effect, operation, "another one changes the same parameter: combine them first")
        continue
      }
      do throws(InteropError) {
        try write(operation)
      } catch {
        guard error.kind == .notExpressible else { throw error }
        losses.append(
          .init(
            kind: .effect,
            place: error.place ?? .operation(operation.name, on: operation.target?.name),
            reason: error.reason))
      }
    }
    try losses.checkSomethingIsLeft(!draft.infos.isEmpty)
    losses.addRecords(of: adapter)
  }

  var result: ForeignExport {
    let (header, keys) = ModelSpec.header(of: choices.metadata)
    let written = Set(header.map(\.key))
    var own: [SafetensorsHeader.Entry] = [
      .init("ss_network_module", isPairsAlone ? "networks.lora" : "lycoris.kohya")
    ]
    if let usual = mostCommon(ranks.map { ($0.rank, $0.count) }),
      let alpha = mostCommon(ranks.filter { $0.rank == usual }.map { ($0.alpha, $0.count) })
    {
      own.append(.init("ss_network_dim", "\(usual)"))
      own.append(.init("ss_network_alpha", "\(alpha)"))
    }
    let all = (header + own.filter { !written.contains($0.key) }).sorted { $0.key < $1.key }
    let draft = draft
    var export = ForeignExport(file: "lora.safetensors", losses: losses, notes: []) { file in
      try draft.write(to: file, metadata: all)
    }
    export.carriedKeys = keys
    return export
  }

  private mutating func write(_ operation: Operation) throws(InteropError) {
    switch operation.kind {
    case let low as AddLowRank: try write(low)
    case let change as AddHadamard: try write(change)
    case let change as AddKronecker: try write(change)
    case let add as Add: try write(add)
    case let scaling as Multiply: try write(scaling)
    default:
      throw InteropError(.notExpressible, "kohya's files have no place for it")
    }
  }

  // MARK: Names

  /// The module of a weight, `lora_unet_…`.
  private mutating func module(
    of target: Name, dropping leaf: String = ".weight"
  ) throws(InteropError) -> String {
    guard let component = PipelineComponent(of: target) ?? choices.component else {
      throw InteropError(
        .undecided(.component), at: .tensor(target),
        "nothing says which part of a pipeline it is of")
    }
    let inner = PipelineComponent(of: target) == nil ? target : component.inner(target)
    let path = inner.text.hasSuffix(leaf) ? String(inner.text.dropLast(leaf.count)) : inner.text
    let module =
      KohyaKey.Prefix(component, besideOthers: isOfSeveralEncoders).rawValue + "_"
      + path.replacing(".", with: "_")
    let name = Name("\(component.rawValue).\(path)")
    guard modules.updateValue(name, forKey: module).map({ $0 == name }) ?? true else {
      throw InteropError(.notExpressible, "another module has the same name with _ for its dots")
    }
    return module
  }

  private mutating func addAlpha(
    _ module: String, scale: Double, rank: Int, _ operation: some TargetedKind, count: Int
  ) throws(InteropError) {
    let alpha = Float(scale * Double(rank))
    if Double(alpha) / Double(rank) != scale {
      losses.add(.rounding, operation, "its scale, to the nearest alpha in F32")
    }
    ranks.append((rank, Double(alpha), count))
    try draft.add(Name(module + ".alpha"), .f32, [], rounding: { [Double(alpha)] })
  }

  // MARK: Operations

  private mutating func write(_ low: AddLowRank) throws(InteropError) {
    if low.experts != nil { throw InteropError(.notExpressible, "kohya's files have no experts") }
    if low.rank == 0 { return losses.add(.record, low, "it has rank 0, and changes nothing") }
    if AnyFamily.isInputEmbedding(low.target.name) {
      throw InteropError(.notExpressible, "kohya's files have no LoRA of embeddings")
    }
    if low.target.layout == .unresolved {
      throw InteropError(
        .notExpressible, "only the base shows how it is stored: convert it to .adp with --base")
    }
    // sd-scripts takes alpha 0 for the rank.
    guard low.scale != 0 else {
      throw InteropError(.notExpressible, "a scale of 0, which training takes for 1")
    }
    let pair = try PlainPair(low, of: draft.adapter)
    if pair.rounds {
      losses.add(.rounding, low, "its diagonal and row scale, multiplied into B")
    }
    let module = try module(of: low.target.name)
    try addAlpha(module, scale: low.scale, rank: low.rank, low, count: pair.parameterCount)
    let (down, up) = (Name(module + ".lora_down.weight"), Name(module + ".lora_up.weight"))
    let rank = low.rank
    if low.target.layout == .inOut {
      try draft.add(
        down, pair.bType, [rank, pair.outputCount],
        contents: {
          transposed(
            try pair.bBytes(), rows: pair.outputCount, columns: rank,
            width: pair.bType.bitWidth / 8)
        })
      try draft.add(
        up, pair.aType, [pair.inputCount, rank],
        contents: {
          transposed(
            try pair.aBytes(), rows: rank, columns: pair.inputCount,
            width: pair.aType.bitWidth / 8)
        })
    } else {
      let kernel = low.kernel
      try draft.add(
        down, pair.aType, [rank] + (kernel.isEmpty ? [pair.inputCount] : kernel),
        contents: { try pair.aBytes() })
      try draft.add(
        up, pair.bType, [pair.outputCount, rank] + kernel.dropFirst().map { _ in 1 },
        contents: { try pair.bBytes() })
    }
    guard let magnitude = low.magnitude else { return }
    isPairsAlone = false
    try draft.add(
      Name(module + ".dora_scale"), magnitude,
      shape: low.target.layout == .inOut
        ? [1, low.outputCount]
        : [low.outputCount, 1] + low.kernel.dropFirst(2).map { _ in 1 }
          + (low.kernel.isEmpty ? [] : [1]))
  }

  private mutating func add(
    _ module: String, _ stem: String, _ core: String, _ pair: FactorPair
  ) throws(InteropError) {
    try draft.add(Name("\(module).\(stem)_a"), pair.a)
    try draft.add(Name("\(module).\(stem)_b"), pair.b)
    if let middle = pair.core { try draft.add(Name("\(module).\(core)"), middle) }
  }

  private mutating func write(_ change: AddHadamard) throws(InteropError) {
    isPairsAlone = false
    let module = try module(of: change.target.name)
    let count = change.first.a.count + change.first.b.count
    try addAlpha(module, scale: change.scale, rank: change.first.rank, change, count: count)
    try add(module, "hada_w1", "hada_t1", change.first)
    try add(module, "hada_w2", "hada_t2", change.second)
  }

  private mutating func write(_ change: AddKronecker) throws(InteropError) {
    isPairsAlone = false
    let module = try module(of: change.target.name)
    let rank = change.left.pair?.rank ?? change.right.pair?.rank
    if let rank {
      try addAlpha(module, scale: change.scale, rank: rank, change, count: rank)
    }
    if let whole = change.left.whole {
      try draft.add(Name(module + ".lokr_w1"), whole)
    } else if let pair = change.left.pair {
      try add(module, "lokr_w1", "lokr_t1", pair)
    }
    if let pair = change.right.pair {
      return try add(module, "lokr_w2", "lokr_t2", pair)
    }
    guard let whole = change.right.whole else { return }
    guard rank == nil, change.scale != 1 else {
      return try draft.add(Name(module + ".lokr_w2"), whole)
    }
    try addScaled(Name(module + ".lokr_w2"), whole, times: change.scale, change)
  }

  /// A tensor times a number, rounded to F32 at least.
  private mutating func addScaled(
    _ name: Name, _ operand: TypedOperand, times scale: Double, _ operation: some TargetedKind
  ) throws(InteropError) {
    guard scale != 1 else { return try draft.add(name, operand) }
    if scale.significand.magnitude != 1 {
      losses.add(.rounding, operation, "its scale, which the file has no place for")
    }
    let adapter = draft.adapter
    try draft.add(
      name, operand.type == .f64 ? .f64 : .f32, operand.shape,
      rounding: {
        try OperandValues<Double>(operand.operand, of: adapter).values.map { $0 * scale }
      })
  }

  private mutating func write(_ add: Add) throws(InteropError) {
    isPairsAlone = false
    let isBias = add.target.name.hasSuffix(".bias")
    let module = try module(of: add.target.name, dropping: isBias ? ".bias" : ".weight")
    let isNorm = !isBias ? add.delta.shape.count == 1 : module.contains("norm")
    let leaf = isNorm ? (isBias ? "b_norm" : "w_norm") : (isBias ? "diff_b" : "diff")
    try addScaled(Name("\(module).\(leaf)"), add.delta, times: add.scale, add)
  }

  private func differences(of vector: TypedOperand) throws(InteropError) -> [Double] {
    do {
      return try OperandValues<Double>(vector.operand, of: draft.adapter).values.map { $0 - 1 }
    } catch {
      throw InteropError(.malformed, at: .tensor(vector.operand.tensor), "\(error)")
    }
  }

  private mutating func write(_ scaling: Multiply) throws(InteropError) {
    guard !scaling.scalesBias else {
      throw InteropError(.notExpressible, "it scales the bias too, which LyCORIS' IA3 does not")
    }
    isPairsAlone = false
    let module = try module(of: scaling.target.name)
    // LyCORIS holds what is added to 1.
    let vector = scaling.vector
    let values = try differences(of: vector)
    if values.contains(where: { Double(Float($0)) != $0 }) {
      losses.add(.rounding, scaling, "1 taken from its factors, in F32")
    }
    let kernel = (scaling.target.shape?.dimensions.count ?? 2) - 2
    let shape =
      kernel > 0
      ? [1, vector.count] + Array(repeating: 1, count: kernel) : [vector.count]
    try draft.add(Name(module + ".weight"), .f32, shape, rounding: { values })
    let isOnInput = scaling.side == .input
    try draft.add(
      Name(module + ".on_input"), .i64, [],
      contents: { [isOnInput ? 1 : 0] + [UInt8](repeating: 0, count: 7) })
  }
}

extension AddLowRank {
  /// The dimensions of A behind its rank, of a convolution; empty of a matrix.
  fileprivate var kernel: [Int] {
    if a.shape.count > 2 { return Array(a.shape.dropFirst()) }
    guard let stored = target.shape?.dimensions, stored.count > 2,
      stored.dropFirst().reduce(1, *) == inputCount
    else { return [] }
    return Array(stored.dropFirst())
  }
}

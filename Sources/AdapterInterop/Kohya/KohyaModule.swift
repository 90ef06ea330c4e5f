internal import AdapterFormat
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// One module of a kohya file while it becomes operations.
struct KohyaModule {
  private(set) var operations: [Operation] = []
  /// The name of its method, for people.
  private(set) var method: String?
  /// Leaves that nothing has used.
  private(set) var left: Set<String>
  /// True if some of its numbers were rounded.
  private(set) var isRounded = false
  /// True if its alpha is there, and is 0.
  let isAlphaZero: Bool
  private let parts: [String: TensorInfo]
  private let places: [ModulePlace]
  private let alpha: Double?
  private let isOnInput: Bool
  private let name: Name

  init(
    _ module: KohyaImport.Module, _ places: [ModulePlace],
    _ scalars: [String: Double]
  ) {
    parts = module.parts
    left = Set(parts.keys)
    name = Name(module.key.module)
    self.places = places
    alpha = scalars["alpha"]
    isAlphaZero = alpha == 0
    isOnInput = (scalars["on_input"] ?? 0) != 0
  }

  /// - Throws: `InteropError` where a part is missing, or has a shape that the others contradict.
  mutating func read(_ tensors: inout FactorTensors) throws {
    if parts["dora_scale"] != nil, parts["lora_down.weight"] == nil {
      throw fault("dora_scale", .unsupported, "DoRA of anything but a LoRA pair")
    }
    if parts["lora_down.weight"] != nil || parts["lora_up.weight"] != nil {
      try readPair(&tensors)
    } else if parts.keys.contains(where: { $0.hasPrefix("hada_") }) {
      try readHadamard(&tensors)
    } else if parts.keys.contains(where: { $0.hasPrefix("lokr_") }) {
      try readKronecker(&tensors)
    } else if parts["weight"] != nil {
      try readScaling(&tensors)
    }
    try readDifferences(&tensors)
    left.subtract(["alpha", "on_input"])
  }

  /// The weight, for changes that are not cut into parts.
  private func weight(_ leaf: String) throws -> Target {
    guard let place = places.single else {
      throw fault(
        leaf, .unsupported,
        "the base has this weight in other parts, and only LoRA and differences are cut into them")
    }
    return place.target
  }

  private func fault(
    _ leaf: String, _ kind: InteropError.Kind, _ reason: String
  ) -> InteropError {
    InteropError(kind, at: .tensor(Name("\(name).\(leaf)")), reason)
  }

  /// A part that must be there.
  private mutating func part(_ leaf: String) throws -> TensorInfo {
    guard let info = partIfThere(leaf) else {
      throw fault(leaf, .malformed, "missing, and other parts of the module are there")
    }
    return info
  }

  private mutating func partIfThere(_ leaf: String) -> TensorInfo? {
    left.remove(leaf)
    return parts[leaf]
  }

  /// Alpha / rank; 1 without alpha or with alpha 0, which training takes for the rank.
  private func scale(_ rank: Int) -> Double {
    guard let alpha, alpha != 0, rank > 0 else { return 1 }
    return alpha / Double(rank)
  }

  // MARK: LoRA

  private mutating func readPair(_ tensors: inout FactorTensors) throws {
    method = "lora"
    let (down, up) = (try part("lora_down.weight"), try part("lora_up.weight"))
    let (a, b) = (down.shape.dimensions, up.shape.dimensions)
    guard a.count >= 2, b.count >= 2, a[0] == b[1], a[0] > 0, b.dropFirst(2).allSatisfy({ $0 == 1 })
    else {
      throw fault(
        "lora_down.weight", .malformed, "\(down.shape) and \(up.shape) of lora_up are not a pair")
    }
    if let mid = partIfThere("lora_mid.weight") {
      return try readTucker(down, up, mid, &tensors)
    }
    let (rank, output, inputs) = (a[0], b[0], a.dropFirst().reduce(1, *))
    if let magnitude = partIfThere("dora_scale"), !isOfOutputs(magnitude, output) {
      return try readInputMagnitude(magnitude, down, up, &tensors)
    }
    let kernel = kernel(a, inputs)
    var low = AddLowRank(
      target: Target(
        places[0].target.name, layout: .outIn,
        layoutSource: kernel.isEmpty && parts["dora_scale"] == nil ? .guessed : .sure),
      a: try tensors.take(down, as: [rank] + (kernel.isEmpty ? [inputs] : kernel)),
      b: try tensors.take(
        up, as: [output, rank] + kernel.dropFirst().map { _ in 1 },
        rows: places.rowOrder(output)),
      scale: scale(rank))
    low.magnitude = try parts["dora_scale"].map { try tensors.take($0, as: [output]) }
    if low.magnitude != nil, places.rowOrder(output) != nil { _ = try weight("dora_scale") }
    for part in places.split(low) { operations.append(try Operation(part)) }
  }

  /// The dimensions of A behind its rank: one of a matrix, the base's own of a kernel of 1 × 1; empty for a matrix.
  private func kernel(_ a: [Int], _ inputs: Int) -> [Int] {
    let own = a.count > 2 ? Array(a.dropFirst()) : []
    guard let stored = places[0].stored, own.dropFirst().allSatisfy({ $0 == 1 }) else { return own }
    if stored.count == 2 { return [] }
    return stored.dropFirst(2).allSatisfy { $0 == 1 } && stored.count > 1 && stored[1] == inputs
      ? Array(stored.dropFirst()) : own
  }

  private func isOfOutputs(_ magnitude: TensorInfo, _ output: Int) -> Bool {
    let shape = magnitude.shape.dimensions
    return shape.first == output && shape.dropFirst().allSatisfy { $0 == 1 }
  }

  /// A norm for each column, which is that of a row of the transpose.
  private mutating func readInputMagnitude(
    _ magnitude: TensorInfo, _ down: TensorInfo, _ up: TensorInfo, _ tensors: inout FactorTensors
  ) throws {
    let (rank, output) = (down.shape.dimensions[0], up.shape.dimensions[0])
    let inputs = down.shape.dimensions.dropFirst().reduce(1, *)
    guard down.shape.dimensions.count == 2, magnitude.shape.dimensions == [1, inputs] else {
      throw fault(
        "dora_scale", .unsupported,
        "\(magnitude.shape) is not a norm for each of \(output) outputs"
          + (down.shape.dimensions.count == 2
            ? " or \(inputs) inputs" : ", which a convolution needs"))
    }
    var target = try weight("dora_scale")
    (target.layout, target.layoutSource) = (.inOut, .sure)
    var low = AddLowRank(
      target: target, a: try tensors.take(up, as: [output, rank], transposing: true),
      b: try tensors.take(down, as: [rank, inputs], transposing: true), scale: scale(rank))
    low.magnitude = try tensors.take(magnitude, as: [inputs])
    operations.append(try Operation(low))
  }

  /// The product around a core, as a Kronecker product with [[1]].
  private mutating func readTucker(
    _ down: TensorInfo, _ up: TensorInfo, _ mid: TensorInfo, _ tensors: inout FactorTensors
  ) throws {
    guard parts["dora_scale"] == nil else {
      throw fault("dora_scale", .unsupported, "DoRA of a pair with lora_mid")
    }
    let (rank, output) = (down.shape.dimensions[0], up.shape.dimensions[0])
    guard mid.shape.dimensions.count > 2, mid.shape.dimensions.prefix(2) == [rank, rank],
      down.shape.count == rank * down.shape.dimensions[1]
    else {
      throw fault("lora_mid.weight", .malformed, "\(mid.shape) is not the core of a kernel")
    }
    let one = try tensors.one()
    let core = FactorPair(
      a: try tensors.take(up, as: [output, rank], transposing: true),
      b: try tensors.take(down, as: [rank, down.shape.dimensions[1]]),
      core: try tensors.take(mid))
    operations.append(
      try Operation(
        AddKronecker(
          target: try weight("lora_mid.weight"), left: .whole(one), right: .product(core),
          scale: scale(rank))))
  }

  // MARK: LoHa and LoKr

  private mutating func pair(
    _ stem: String, core: String, _ tensors: inout FactorTensors
  ) throws -> FactorPair {
    let (a, b) = (try part(stem + "_a"), try part(stem + "_b"))
    let core = try partIfThere(core).map { try tensors.take($0) }
    guard a.shape.dimensions.count >= 2, b.shape.dimensions.count >= 2 else {
      throw fault(stem + "_a", .malformed, "\(a.shape) is not a factor")
    }
    let flat = [b.shape.dimensions[0], b.shape.dimensions.dropFirst().reduce(1, *)]
    return FactorPair(
      a: try tensors.take(a), b: try tensors.take(b, as: core == nil ? flat : nil), core: core)
  }

  private mutating func readHadamard(_ tensors: inout FactorTensors) throws {
    method = "loha"
    let first = try pair("hada_w1", core: "hada_t1", &tensors)
    let second = try pair("hada_w2", core: "hada_t2", &tensors)
    operations.append(
      try Operation(
        AddHadamard(
          target: try weight("hada_w1_a"), first: first, second: second, scale: scale(first.rank))))
  }

  private mutating func readKronecker(_ tensors: inout FactorTensors) throws {
    method = "lokr"
    let left = try factor("lokr_w1", core: "", &tensors)
    let right = try factor("lokr_w2", core: "lokr_t2", &tensors)
    // Only a product has a rank, and without one alpha means nothing.
    let rank = left.pair?.rank ?? right.pair?.rank
    operations.append(
      try Operation(
        AddKronecker(
          target: try weight("lokr_w1"), left: left, right: right, scale: rank.map(scale) ?? 1)))
  }

  private mutating func factor(
    _ stem: String, core: String, _ tensors: inout FactorTensors
  ) throws -> Factor {
    if let whole = partIfThere(stem) { return .whole(try tensors.take(whole)) }
    return .product(try pair(stem, core: core, &tensors))
  }

  // MARK: Others

  /// IA3, which LyCORIS holds as what is added to 1.
  private mutating func readScaling(_ tensors: inout FactorTensors) throws {
    method = "ia3"
    let info = try part("weight")
    guard parts["on_input"] != nil else {
      throw fault("on_input", .malformed, "missing: it says which axis is scaled")
    }
    let values = try tensors.values(of: info).map { $0 + 1 }
    isRounded = values.contains { Double(Float($0)) != $0 }
    let vector = try tensors.take(values, of: info, as: [values.count])
    var target = try weight("weight")
    (target.layout, target.layoutSource) = (.outIn, .sure)
    operations.append(
      try Operation(
        Multiply(
          target: target, vector: vector, side: isOnInput ? .input : .output, scalesBias: false)))
  }

  private mutating func readDifferences(_ tensors: inout FactorTensors) throws {
    for (leaf, isBias) in [("diff", false), ("w_norm", false), ("diff_b", true), ("b_norm", true)] {
      guard let info = partIfThere(leaf) else { continue }
      method = method ?? "full"
      let delta = try tensors.take(info)
      for place in places {
        guard place.rows != .swappedHalves else { _ = try weight(leaf); continue }
        var target = place.target
        if isBias {
          guard let bias = target.bias else {
            throw fault(leaf, .unsupported, "the base's parameter has no bias beside it")
          }
          target = Target(bias)
          target.bound = place.target.bound.compactMap { Target.bias(beside: $0) }
        }
        var part = delta
        if case .some(let rows) = place.rows { part = delta.rows(rows) }
        operations.append(try Operation(Add(target: target, delta: part, scale: 1)))
      }
    }
  }
}

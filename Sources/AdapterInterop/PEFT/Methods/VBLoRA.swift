internal import RealModule
internal import Operations
internal import Storage
internal import StrictJSON

/// VB-LoRA (arXiv:2405.15179): low-rank changes whose factors are made of the vectors of one bank.
///
/// | PEFT | here |
/// |---|---|
/// | `vblora_vector_bank` [n, l] | inert: it is in every factor |
/// | `M.vblora_logits_A` [r, in / l, n] | `a` of `add_low_rank`: in each place the `topk` vectors of the largest logits, by their softmax |
/// | `M.vblora_logits_B` [out / l, r, n] | `b`, in the same way |
/// | `M.vblora_logits_A_topk_indices` […, k], `_topk_weights` […, k − 1] | the same, chosen already; the last weight makes the sum 1 |
extension PEFTMethod {
  static let vbLoRA = PEFTMethod(
    type: "VBLORA", title: "VB-LoRA",
    parts: Set(
      ["vblora_logits_A", "vblora_logits_B"].flatMap { stem in
        [stem, "\(stem)_topk_indices", "\(stem)_topk_weights"]
      }),
    shared: ["vblora_vector_bank"],
    fields: FieldRules(
      honoured: "bias fan_in_fan_out num_vectors r save_only_topk_weights topk vector_length",
      noEffect: "init_logits_std init_vector_bank_bound vblora_dropout"),
    read: { meaning, _ in try meaning.addVBLoRA() })
}

extension PEFTMeaning {
  fileprivate mutating func addVBLoRA() throws {
    guard let bank = try tensors.shared("vblora_vector_bank"), bank.type.isFloat,
      bank.shape.dimensions == [try config.count("num_vectors"), try config.count("vector_length")]
    else {
      throw InteropError.tensors("no vblora_vector_bank of num_vectors × vector_length floats")
    }
    let rank = try config.count("r")
    let layouts = PEFTLayouts(config, tensors.modules.map(\.name))
    for module in tensors.modules where module.parts["trainable_tokens_delta"] == nil {
      let left = try mixture("vblora_logits_A", of: module, bank)
      let right = try mixture("vblora_logits_B", of: module, bank)
      guard left.places[0] == rank, right.places[1] == rank else {
        throw InteropError.tensors(
          "\(module.name): the configuration gives rank \(rank), the places are \(left.places) "
            + "and \(right.places)")
      }
      var weight = module.weight
      (weight.layout, weight.layoutSource) = layouts.layout(of: module.name)
      let a = try derive("\(module.name).vblora_A", [rank, left.width]) {
        file in try left.rows(of: file)
      }
      let b = try derive("\(module.name).vblora_B", [right.height, rank]) {
        file in try right.columns(of: file)
      }
      try append(AddLowRank(target: weight, a: a, b: b, scale: 1))
    }
    tensors.setAside(bank, reason: "every factor is made of its vectors")
  }

  /// The vectors of one factor; what they are chosen by is set aside.
  private mutating func mixture(
    _ part: String, of module: PEFTTensors.Module, _ bank: TensorInfo
  ) throws -> VectorMixture {
    let count = try config.count("topk")
    let names = [part, "\(part)_topk_indices", "\(part)_topk_weights"]
    for info in names.compactMap({ module.parts[$0] }) {
      tensors.setAside(info, reason: "it says which vectors a factor is made of")
    }
    let source: VectorMixture.Source
    switch (module.parts[names[0]], module.parts[names[1]], module.parts[names[2]]) {
    case (let logits?, nil, nil): source = .logits(logits, count: count)
    case (nil, let indices?, let weights?): source = .chosen(indices, weights, count: count)
    default:
      throw InteropError.tensors(
        "\(module.name) needs \(part), or its topk_indices and topk_weights")
    }
    return try VectorMixture(bank, source, module.name)
  }
}

/// Vectors of a bank, mixed for each place of a grid.
private struct VectorMixture: Sendable {
  /// The grid.
  let places: [Int]
  private let bank: TensorInfo
  private let source: Source

  /// The tensors that say which vectors a place has, and how much of each.
  enum Source: Sendable {
    /// A logit for each vector of the bank: the largest count.
    case logits(TensorInfo, count: Int)
    /// Their numbers, and their weights but the last.
    case chosen(TensorInfo, TensorInfo, count: Int)
  }

  init(_ bank: TensorInfo, _ source: Source, _ module: Name) throws {
    self.bank = bank
    self.source = source
    let vectors = bank.shape.dimensions[0]
    let fits: Bool
    switch source {
    case .logits(let logits, let count):
      places = Array(logits.shape.dimensions.prefix(2))
      fits =
        logits.shape.dimensions == places + [vectors] && logits.type.isFloat && count <= vectors
    case .chosen(let indices, let weights, let count):
      places = Array(indices.shape.dimensions.prefix(2))
      fits =
        indices.shape.dimensions == places + [count] && !indices.type.isFloat
        && weights.shape.dimensions == places + [count - 1] && weights.type.isFloat
    }
    guard fits, places.count == 2 else {
      throw InteropError.tensors(
        "\(module): what chooses vectors is not of [places, places, vectors]")
    }
  }

  private var length: Int { bank.shape.dimensions[1] }
  /// Elements of a row of vectors beside each other.
  var width: Int { elements(in: places[1]) }
  /// Elements of a column of vectors below each other.
  var height: Int { elements(in: places[0]) }

  /// Elements of so many vectors; where that overflows, more than any shape may have.
  private func elements(in count: Int) -> Int {
    let (product, overflows) = count.multipliedReportingOverflow(by: length)
    return overflows ? .max : product
  }

  /// Vectors beside each other: [places, places · length].
  func rows(of file: PEFTValues) throws -> [Double] {
    try vectors(of: file).flatMap(\.self)
  }

  /// Vectors below each other: [places · length, places].
  func columns(of file: PEFTValues) throws -> [Double] {
    let vectors = try vectors(of: file)
    return (0..<places[0]).flatMap { place in
      (0..<length).flatMap { element in
        (0..<places[1]).map { vectors[place * places[1] + $0][element] }
      }
    }
  }

  private func vectors(of file: PEFTValues) throws -> [[Double]] {
    let values = try file.floats(of: bank)
    return try choices(in: file).map { choice in
      var vector = [Double](repeating: 0, count: length)
      for (index, weight) in choice {
        for element in 0..<length { vector[element] += weight * values[index * length + element] }
      }
      return vector
    }
  }

  /// For each place the vectors that it has, and how much of each.
  private func choices(
    in file: PEFTValues
  ) throws -> [[(index: Int, weight: Double)]] {
    let count = bank.shape.dimensions[0]
    switch source {
    case .logits(let info, let chosen):
      let logits = try file.floats(of: info)
      guard logits.allSatisfy({ $0.isFinite || $0 == -.infinity }) else {
        throw InteropError.tensors("\(info.name) holds NaN or infinity")
      }
      return (0..<places[0] * places[1]).map { place in
        Self.softmax(of: logits[place * count..<(place + 1) * count], chosen)
      }
    case .chosen(let info, let weightInfo, let chosen):
      let indices = try file.integers(of: info)
      guard indices.allSatisfy({ (0..<count).contains($0) }) else {
        throw InteropError.tensors("\(info.name) holds an index that the bank does not have")
      }
      let weights = try file.floats(of: weightInfo)
      return (0..<places[0] * places[1]).map { place in
        let known = weights[place * (chosen - 1)..<(place + 1) * (chosen - 1)]
        let all = Array(known) + [1 - known.reduce(0, +)]
        return Array(zip(indices[place * chosen..<(place + 1) * chosen], all))
      }
    }
  }

  /// The largest of some logits, of equals the first, and their softmax.
  private static func softmax(
    of logits: ArraySlice<Double>, _ count: Int
  ) -> [(index: Int, weight: Double)] {
    let order = logits.enumerated().sorted { ($1.element, $0.offset) < ($0.element, $1.offset) }
    let chosen = order.prefix(count)
    let largest = chosen.first?.element ?? 0
    let powers = chosen.map { largest == -.infinity ? 1 : Double.exp($0.element - largest) }
    let sum = powers.reduce(0, +)
    return zip(chosen, powers).map { ($0.offset, $1 / sum) }
  }
}

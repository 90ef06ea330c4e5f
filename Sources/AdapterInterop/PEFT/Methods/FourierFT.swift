internal import Operations
internal import Storage
internal import StrictJSON

/// FourierFT (arXiv:2405.03003): a spectrum of few numbers.
///
/// | PEFT | here |
/// |---|---|
/// | `M.fourierft_spectrum` [n] | `add_spectral` |
/// | `random_loc_seed`, with the shape that the base has for M | `places`, one tensor for all weights of a shape |
/// | `scaling` | `scale` |
extension PEFTMethod {
  static let fourierFT = PEFTMethod(
    type: "FOURIERFT", title: "FourierFT", parts: ["fourierft_spectrum"],
    fields: FieldRules(
      honoured: "bias fan_in_fan_out random_loc_seed scaling",
      noEffect: "init_weights n_frequency n_frequency_pattern"),
    read: { meaning, choices in try meaning.addFourierFT(choices) })
}

extension PEFTMeaning {
  fileprivate mutating func addFourierFT(_ choices: ImportChoices) throws {
    guard case .integer(let seed) = config["random_loc_seed"] else {
      throw InteropError.field("random_loc_seed", "missing or no integer")
    }
    guard let resolve = choices.resolve else {
      throw InteropError(
        .undecided(.base),
        "FourierFT cannot be read without its base: the places of its frequencies follow from the shapes there"
      )
    }
    let scale = try config.number("scaling")
    let layouts = PEFTLayouts(config, tensors.modules.map(\.name))
    let targets = tensors.modules.map { module in
      var weight = module.weight
      (weight.layout, weight.layoutSource) = layouts.layout(of: module.name)
      return weight
    }
    let draws = FrequencyDraws(seed: seed)
    for (module, weight) in zip(tensors.modules, try resolve(targets)) {
      let spectrum = try tensors.take("fourierft_spectrum", of: module)
      let places = try places(spectrum.count, of: weight, draws)
      try append(AddSpectral(target: weight, spectrum: spectrum, places: places, scale: scale))
    }
  }

  /// The frequencies (Spec/peft.md): places of the logical weight, of which rows stand above columns.
  private mutating func places(
    _ count: Int, of weight: Target, _ draws: FrequencyDraws
  ) throws -> TypedOperand {
    guard let stored = weight.shape?.dimensions, stored.count == 2 else {
      throw InteropError.tensors("\(weight.name) is not a matrix")
    }
    let (out, input) = weight.layout == .inOut ? (stored[1], stored[0]) : (stored[0], stored[1])
    guard count <= out * input else {
      throw InteropError.tensors("\(weight.name) has fewer elements than frequencies")
    }
    draws.want(count, of: out * input)
    return try derive("fourierft_places.\(out)x\(input).\(count)", .i32, [2, count]) { _ in
      let places = draws.places(count, of: out * input)
      let all = places.map { $0 / input } + places.map { $0 % input }
      return all.flatMap { place in
        let bits = UInt32(truncatingIfNeeded: place)
        return (0..<4).map { UInt8(truncatingIfNeeded: bits >> (8 * UInt32($0))) }
      }
    }
  }
}

/// The places of all weights, drawn once for each number of elements: of a large weight all of the shuffle is drawn, and few
/// places are the beginning of many.
private final class FrequencyDraws: Sendable {
  private let seed: UInt64
  /// By the number of elements: how many places are wanted at most, and those that were drawn.
  private let sizes = Guarded<[Int: (wanted: Int, drawn: [Int])]>([:])

  init(seed: UInt64) {
    self.seed = seed
  }

  func want(_ count: Int, of size: Int) {
    sizes.withLock { sizes in
      let wanted = max(count, sizes[size]?.wanted ?? 0)
      sizes[size] = (wanted, [])
    }
  }

  func places(_ count: Int, of size: Int) -> ArraySlice<Int> {
    sizes.withLock { sizes in
      let (wanted, drawn) = sizes[size] ?? (count, [])
      guard drawn.count < count else { return drawn.prefix(count) }
      let all = TorchPermutation.prefix(max(wanted, count), of: size, seed: seed)
      sizes[size] = (max(wanted, count), all)
      return all.prefix(count)
    }
  }
}

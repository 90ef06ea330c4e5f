internal import Operations
internal import StrictJSON

/// `r` and `lora_alpha` of an adapter, and the patterns for modules that have others, so that alpha / r is each
/// module's scale.
struct LoRANumbers: Sendable {
  /// The rank of most modules.
  let rank: Int
  /// The alpha of most modules.
  let alpha: Double
  /// `rank_pattern`: the other ranks.
  let rankPattern: JSONValue
  /// `alpha_pattern`: the other alphas.
  let alphaPattern: JSONValue

  private struct Pair: Hashable {
    let rank: Int
    let alpha: Double
  }

  /// A module, its rank, and what its product is multiplied with.
  struct Entry {
    let name: Name
    let rank: Int
    let scale: Double
  }

  init(_ modules: [LoRAModule]) {
    self.init(modules.map { Entry(name: $0.name, rank: $0.low.rank, scale: $0.low.scale) })
  }

  init(_ modules: [Entry]) {
    let pairs = modules.map { Pair(rank: $0.rank, alpha: Self.alpha(of: $0)) }
    var counts: [Pair: Int] = [:]
    for pair in pairs { counts[pair, default: 0] += 1 }
    let most = counts.values.max()
    // Of equally many the first, so that the file does not depend on a hash.
    let usual = pairs.first { counts[$0] == most } ?? Pair(rank: 1, alpha: 1)
    (rank, alpha) = (usual.rank, usual.alpha)
    let keys = Self.keys(for: modules.map(\.name))
    func pattern(_ value: (Pair) -> JSONValue?) -> JSONValue {
      .object(
        zip(keys, pairs).compactMap { key, pair in value(pair).map { .init(Name(key), $0) } })
    }
    rankPattern = pattern { $0.rank == usual.rank ? nil : .count($0.rank) }
    alphaPattern = pattern { $0.alpha == usual.alpha ? nil : .shortest($0.alpha) }
  }

  /// Returns the factor that PEFT multiplies a module's product with.
  func scale(of module: LoRAModule) -> Double {
    Self.scale(of: Entry(name: module.name, rank: module.low.rank, scale: module.low.scale))
  }

  /// Returns the factor that PEFT multiplies a module's product with.
  static func scale(of entry: Entry) -> Double { alpha(of: entry) / Double(entry.rank) }

  /// Returns true if PEFT's factor is the scale of the operation.
  func isExact(for module: LoRAModule) -> Bool { scale(of: module) == module.low.scale }

  /// An alpha whose quotient by the rank is the scale, or is next to it: not every number is such a quotient.
  private static func alpha(of entry: Entry) -> Double {
    let (scale, rank) = (entry.scale, Double(entry.rank))
    let product = scale * rank
    return [product, product.nextUp, product.nextDown].first { $0 / rank == scale } ?? product
  }

  /// A key for each module that matches it and no other: PEFT's keys match what stands after any dot, unless
  /// they begin with `^`.
  private static func keys(for modules: [Name]) -> [String] {
    var endings: Set<Name> = []
    for module in modules {
      var rest = module.text[...]
      while let dot = rest.firstIndex(of: ".") {
        rest = rest[rest.index(after: dot)...]
        endings.insert(Name(String(rest)))
      }
    }
    return modules.map { (endings.contains($0) ? "^" : "") + PEFTPattern.key(for: $0) }
  }
}

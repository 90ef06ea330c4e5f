internal import StrictJSON

/// Rank and scale of LoRA and its kin: r and lora_alpha, by module.
struct PEFTRanks {
  private let rank: Double
  private let alpha: Double
  private let usesSquareRoot: Bool
  let rankPattern: PEFTPattern
  let alphaPattern: PEFTPattern

  init(_ config: PEFTConfig, alpha: Name) throws {
    rank = Double(try config.count("r"))
    self.alpha = try config.number(alpha)
    usesSquareRoot = try config.flag("use_rslora")
    rankPattern = try config.pattern("rank_pattern")
    alphaPattern = try config.pattern("alpha_pattern")
  }

  /// Rank of a module, and what its product is multiplied with: alpha / r, or alpha / √r.
  func numbers(for module: Name) throws -> (rank: Int, scale: Double) {
    let rank = try rankPattern.match(module)?.value ?? rank
    guard let count = Int(exactly: rank), (1...PEFTConfig.maximumCount).contains(count) else {
      throw InteropError.field("r or rank_pattern", "gives \(module) the rank \(rank)")
    }
    let alpha = try alphaPattern.match(module)?.value ?? alpha
    return (count, alpha / (usesSquareRoot ? rank.squareRoot() : rank))
  }

  /// Keys of the patterns that no module matches first: they do nothing.
  func notes(_ modules: [Name]) throws -> [String] {
    var notes: [String] = []
    for (field, pattern) in [("rank_pattern", rankPattern), ("alpha_pattern", alphaPattern)] {
      let unused = try pattern.unusedKeys(modules)
      guard !unused.isEmpty else { continue }
      notes.append("\(field): no module for " + unused.joined(separator: ", "))
    }
    return notes
  }
}

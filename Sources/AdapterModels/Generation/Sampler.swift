/// Chooses the next token from logits.
public struct Sampler: Sendable {
  /// What logits are divided with; 0 takes the most likely token, always.
  public let temperature: Float
  /// Only the most likely tokens that together reach this share are chosen from (arXiv:1904.09751); 1 for all.
  public let topP: Float
  private var random: RandomNumbers

  /// A sampler. Those of one seed choose the same tokens from the same logits.
  ///
  /// - Parameters:
  ///   - temperature: 0 or more.
  ///   - topP: more than 0, at most 1.
  ///   - seed: any number.
  public init(temperature: Float = 0, topP: Float = 1, seed: UInt64 = 0) {
    self.temperature = max(0, temperature)
    self.topP = min(max(topP, 0), 1)
    random = RandomNumbers(seed: seed)
  }

  /// Chooses a token.
  ///
  /// - Parameter logits: of one place, finite, not empty.
  /// - Returns: its id.
  public mutating func next(_ logits: [Float]) -> Int32 {
    guard temperature > 0 else { return Int32(Self.largest(logits)) }
    let maximum = logits.max() ?? 0
    var weights = logits.map { Functions.exponential(($0 - maximum) / temperature) }
    if topP < 1 { cut(&weights) }
    var rest = random.unit() * weights.reduce(0) { $0 + Double($1) }
    for (token, weight) in weights.enumerated() where weight > 0 {
      rest -= Double(weight)
      if rest < 0 { return Int32(token) }
    }
    return Int32(Self.largest(logits))
  }

  /// The first of the largest.
  private static func largest(_ logits: [Float]) -> Int {
    var best = 0
    for index in logits.indices where logits[index] > logits[best] { best = index }
    return best
  }

  /// Keeps the fewest tokens whose share reaches `topP`, at least one.
  private func cut(_ weights: inout [Float]) {
    let total = weights.reduce(0) { $0 + Double($1) }
    // Tokens that are less likely than this do not reach the rest together: few are left to be sorted.
    let least = Float((1 - Double(topP)) * total / Double(weights.count)).nextDown
    let order = weights.indices.filter { weights[$0] >= least }
      .sorted { weights[$0] > weights[$1] }
    var kept: [(token: Int, weight: Float)] = []
    var sum = 0.0
    for token in order where sum < Double(topP) * total || kept.isEmpty {
      kept.append((token, weights[token]))
      sum += Double(weights[token])
    }
    for token in weights.indices { weights[token] = 0 }
    for (token, weight) in kept { weights[token] = weight }
  }
}

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014): small, and the
/// same everywhere.
private struct RandomNumbers: Sendable {
  private var state: UInt64

  init(seed: UInt64) {
    state = seed
  }

  /// From 0 up to, and without, 1.
  mutating func unit() -> Double {
    state &+= 0x9E37_79B9_7F4A_7C15
    var bits = state
    bits = (bits ^ bits &>> 30) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ bits &>> 27) &* 0x94D0_49BB_1331_11EB
    bits ^= bits &>> 31
    return Double(bits &>> 11) * 0x1p-53
  }
}

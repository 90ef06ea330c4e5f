/// Chooses the next token from logits, as transformers does with the same numbers: what a repetition costs first,
/// then the temperature, `topK`, `topP` and `minP`, each of what the one before has left.
public struct Sampler: Sendable {
  /// The divisor of logits; 0 always takes the most likely token.
  public var temperature: Float
  /// Only so many of the most likely tokens are chosen from; 0 for all.
  public var topK: Int
  /// Only the most likely tokens that together reach this share are chosen from (arXiv:1904.09751); 1 for all.
  public var topP: Float
  /// Only tokens at least so likely, compared with the most likely one, are chosen from (arXiv:2407.01082); 0 for all.
  public var minP: Float
  /// The divisor of the logits of tokens that have been seen, or the factor for those that are negative
  /// (arXiv:1909.05858); 1 for no effect.
  public var repetitionPenalty: Float
  private var random: RandomNumbers

  /// A sampler. Those of one seed choose the same tokens from the same logits.
  ///
  /// - Parameters:
  ///   - temperature: 0 or more.
  ///   - topK: 0 or more.
  ///   - topP: more than 0, at most 1.
  ///   - minP: from 0 to 1.
  ///   - repetitionPenalty: more than 0.
  ///   - seed: any number.
  public init(
    temperature: Float = 0, topK: Int = 0, topP: Float = 1, minP: Float = 0,
    repetitionPenalty: Float = 1, seed: UInt64 = 0
  ) {
    self.temperature = max(0, temperature)
    self.topK = max(0, topK)
    self.topP = min(max(topP, 0), 1)
    self.minP = min(max(minP, 0), 1)
    self.repetitionPenalty = repetitionPenalty > 0 ? repetitionPenalty : 1
    random = RandomNumbers(seed: seed)
  }

  /// Chooses a token.
  ///
  /// - Parameters:
  ///   - logits: of one place, finite, not empty.
  ///   - seen: the tokens of the text so far; they count only for a penalty.
  /// - Returns: its id.
  public mutating func next(_ logits: [Float], after seen: Set<Int32> = []) -> Int32 {
    let logits = penalised(logits, seen)
    guard temperature > 0 else { return Int32(Self.largest(logits)) }
    let weights = weights(logits)
    var rest = random.unit() * weights.reduce(0) { $0 + Double($1) }
    for (token, weight) in weights.enumerated() where weight > 0 {
      rest -= Double(weight)
      if rest < 0 { return Int32(token) }
    }
    return Int32(Self.largest(logits))
  }

  /// How likely each token is to be chosen, for a temperature above 0: all together are 1.
  ///
  /// - Parameters:
  ///   - logits: of one place, finite, not empty.
  ///   - seen: the tokens of the text so far.
  /// - Returns: a share for each token.
  package func shares(_ logits: [Float], after seen: Set<Int32> = []) -> [Float] {
    let weights = weights(penalised(logits, seen))
    let sum = weights.reduce(0) { $0 + Double($1) }
    return weights.map { Float(Double($0) / sum) }
  }

  private func penalised(_ logits: [Float], _ seen: Set<Int32>) -> [Float] {
    guard repetitionPenalty != 1 else { return logits }
    var result = logits
    for token in seen where logits.indices.contains(Int(token)) {
      let logit = logits[Int(token)]
      result[Int(token)] = logit < 0 ? logit * repetitionPenalty : logit / repetitionPenalty
    }
    return result
  }

  /// How likely tokens are compared with the most likely one, and 0 for those that are not chosen from.
  private func weights(_ logits: [Float]) -> [Float] {
    let maximum = logits.max() ?? 0
    var weights = logits.map { Functions.exponential(($0 - maximum) / temperature) }
    if topK > 0, topK < logits.count {
      // Those that are as likely as the last one stay, too.
      let least = logits.sorted(by: >)[topK - 1]
      for token in logits.indices where logits[token] < least { weights[token] = 0 }
    }
    if topP < 1 { cut(&weights) }
    if minP > 0 { for token in weights.indices where weights[token] < minP { weights[token] = 0 } }
    return weights
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
    let order = weights.indices.filter { weights[$0] > 0 && weights[$0] >= least }
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

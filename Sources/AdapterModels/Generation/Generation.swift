internal import Operations
/// Text that a model continues, token by token. For one task at a time.
///
/// ```swift
/// let generation = try Generation(model, prompt: [1, 2, 3], with: rack.stack)
/// while let token = try generation.next() { print(token) }
/// ```
public final class Generation {
  /// Options for the end of a generation and for the choice of tokens.
  public struct Options: Sendable {
    /// How many tokens there may be.
    public var maximumCount: Int
    /// Tokens after which nothing comes; the model's own unless given.
    public var endTokens: [Int32]?
    /// How tokens are chosen.
    public var sampler: Sampler

    /// Greedy unless a sampler is given.
    public init(
      maximumCount: Int = 128, endTokens: [Int32]? = nil, sampler: Sampler = Sampler()
    ) {
      self.maximumCount = maximumCount
      self.endTokens = endTokens
      self.sampler = sampler
    }
  }

  /// Why it has ended.
  public enum End: String, Sendable, Hashable {
    /// With a token that ends texts.
    case endToken = "end_token"
    /// There are as many tokens as were asked for.
    case count
    /// The model has no more positions.
    case positions
  }

  /// The logits of the next token, F32, one for each token of the model.
  public private(set) var logits: [Float]
  /// Why it has ended; nil before.
  public private(set) var end: End?
  /// How many tokens of the prompt were not run, because an earlier text has them.
  package let knownCount: Int
  private let model: LanguageModel
  private let sequence: DecodingSequence
  private let endTokens: Set<Int32>
  private var sampler: Sampler
  /// The tokens so far, where they count.
  private var seen: Set<Int32>
  private var remaining: Int
  private var last: Int32?
  /// The tokens that the sequence holds.
  private var held: [Int32]

  /// Runs a prompt.
  ///
  /// - Parameters:
  ///   - model: the model.
  ///   - prompt: tokens, at least one.
  ///   - stack: the adapters; nil for none.
  ///   - options: what ends it, and how tokens are chosen.
  ///   - other: an earlier text, which cannot go on then. Where the prompt begins with all of it, and model and
  ///     adapters are the same, only the rest is run.
  /// - Throws: `AdapterError` as `LanguageModel.logits(after:at:)`.
  public init(
    _ model: LanguageModel, prompt: [Int32], with stack: AdapterStack? = nil,
    options: Options = Options(), after other: Generation? = nil
  ) throws {
    self.model = model
    if let count = model.positionCount, prompt.count > count {
      throw AdapterError.tooLong(tokens: prompt.count, positions: count)
    }
    if let other, other.isBeginning(of: prompt, model, stack ?? model.emptyStack) {
      sequence = other.sequence
      held = other.held
    } else {
      sequence = try DecodingSequence(
        model, with: stack, capacity: prompt.count + min(max(options.maximumCount, 0), 1024))
      held = []
    }
    knownCount = held.count
    endTokens = Set(options.endTokens ?? model.endTokens)
    sampler = options.sampler
    seen = sampler.repetitionPenalty == 1 ? [] : Set(prompt)
    remaining = options.maximumCount
    logits = []
    // In pieces, so that a long prompt does not need much more memory than a short one.
    for start in stride(from: held.count, to: max(1, prompt.count), by: Self.pieceSize) {
      let piece = Array(prompt[start..<min(start + Self.pieceSize, prompt.count)])
      logits = try model.logits(after: [.init(sequence, piece)])[0]
      held += piece
    }
  }

  /// Returns true if its sequence is the beginning of a prompt, and can go on with the rest.
  private func isBeginning(
    of prompt: [Int32], _ model: LanguageModel, _ stack: AdapterStack
  ) -> Bool {
    let own = sequence.stack.entries
    return self.model === model && sequence.tokenCount == held.count && held.count < prompt.count
      && prompt.starts(with: held) && own.count == stack.entries.count
      && zip(own, stack.entries).allSatisfy { $0.adapter === $1.adapter && $0.weight == $1.weight }
  }

  private static let pieceSize = 512

  /// The next token; nil where it has ended. A token that ends texts is not one of its tokens.
  ///
  /// - Throws: `AdapterError`.
  public func next() throws -> Int32? {
    guard end == nil else { return nil }
    guard remaining > 0 else {
      end = .count
      return nil
    }
    if let last {
      guard sequence.positions < model.positionCount ?? .max else {
        end = .positions
        return nil
      }
      logits = try model.logits(after: [.init(sequence, [last])])[0]
      held.append(last)
    }
    let token = sampler.next(logits, after: seen)
    guard !endTokens.contains(token) else {
      end = .endToken
      return nil
    }
    last = token
    if sampler.repetitionPenalty != 1 { seen.insert(token) }
    remaining -= 1
    return token
  }
}

internal import Operations
/// Text that a model continues, token by token. For one task at a time.
///
/// ```swift
/// let generation = try Generation(model, prompt: [1, 2, 3], with: rack.stack)
/// while let token = try generation.next() { print(token) }
/// ```
public final class Generation {
  /// What ends it, and how tokens are chosen.
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
  private let model: LanguageModel
  private let sequence: DecodingSequence
  private let endTokens: Set<Int32>
  private var sampler: Sampler
  private var remaining: Int
  private var last: Int32?

  /// Runs a prompt.
  ///
  /// - Parameters:
  ///   - model: the model.
  ///   - prompt: tokens, at least one.
  ///   - stack: the adapters; nil for none.
  ///   - options: what ends it, and how tokens are chosen.
  /// - Throws: `AdapterError` as `LanguageModel.logits(after:at:)`.
  public init(
    _ model: LanguageModel, prompt: [Int32], with stack: AdapterStack? = nil,
    options: Options = Options()
  ) throws {
    self.model = model
    if let count = model.positionCount, prompt.count > count {
      throw AdapterError.tooLong(tokens: prompt.count, positions: count)
    }
    sequence = try DecodingSequence(
      model, with: stack, capacity: prompt.count + min(max(options.maximumCount, 0), 1024))
    endTokens = Set(options.endTokens ?? model.endTokens)
    sampler = options.sampler
    remaining = options.maximumCount
    logits = []
    // In pieces, so that a long prompt does not need much more memory than a short one.
    for start in stride(from: 0, to: max(1, prompt.count), by: Self.pieceSize) {
      let piece = Array(prompt[start..<min(start + Self.pieceSize, prompt.count)])
      logits = try model.logits(after: [.init(sequence, piece)])[0]
    }
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
    }
    let token = sampler.next(logits)
    guard !endTokens.contains(token) else {
      end = .endToken
      return nil
    }
    last = token
    remaining -= 1
    return token
  }
}

public import AdapterRuntime
public import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// A decoder-only language model in memory, its weights as the checkpoint stores them. It never changes:
/// adapters act beside it, sequence by sequence, so any number of tasks may use it at once.
public final class LanguageModel: Sendable {
  /// The base it was loaded from.
  public let checkpoint: Checkpoint
  /// Bytes of all weights.
  public let weightByteCount: Int
  /// Tokens that end a text, as config.json says.
  public let endTokens: [Int32]
  let identity = ModelIdentity()
  let layers: [Name: LinearLayer]
  let vectors: [Name: ModelVector]
  let emptyStack: AdapterStack
  private let decoder: any Decoder
  private let workspaces = Guarded<[Workspace]>([])

  /// Loads a model.
  ///
  /// - Parameter view: weights beside a `config.json` of type gpt2, bloom, llama, mistral, qwen2, qwen3,
  ///   gemma2, gemma3_text or phi3; BF16, F16 or F32; seen through adapters, whose changes become part of the
  ///   weights.
  /// - Throws: `AdapterError` where the architecture is not one of these, or the weights are not those of
  ///   the configuration; an error that says why, where matrices cannot be multiplied here.
  public init(_ view: AdaptedCheckpoint) throws {
    try LinearAlgebra.require()
    checkpoint = view.checkpoint
    let config = try DecoderConfig(checkpoint.configPath)
    let kind = try DecoderKind.of(config)
    var loader = WeightLoader(view, prefix: kind.prefix, probe: kind.embeddingName)
    decoder = try kind.load(config, &loader)
    try loader.refuseUnread()
    layers = loader.layers
    vectors = loader.vectors
    weightByteCount = loader.byteCount
    endTokens = try kind.endTokens(config)
    emptyStack = AdapterStack(
      emptyFor: identity, layerCount: loader.layers.count, vectorCount: loader.vectors.count)
  }

  /// Loads a model without adapters in its weights.
  ///
  /// - Parameter checkpoint: weights beside a `config.json`.
  /// - Throws: `AdapterError` as for a view.
  public convenience init(_ checkpoint: Checkpoint) throws {
    let view = try AdaptedCheckpoint(checkpoint, applying: [])
    try self.init(view)
  }

  var dimensions: DecoderDimensions { decoder.dimensions }

  /// How many tokens there are.
  public var vocabularySize: Int { dimensions.vocabularySize }

  /// How many positions a sequence may have; nil for no limit.
  public var positionCount: Int? { dimensions.positionCount }
}

// MARK: - Running

extension LanguageModel {
  /// The next tokens of one sequence.
  public struct Step {
    /// The sequence.
    public let sequence: DecodingSequence
    /// Its next tokens.
    public let tokens: [Int32]

    /// Pairs a sequence with its next tokens.
    public init(_ sequence: DecodingSequence, _ tokens: [Int32]) {
      self.sequence = sequence
      self.tokens = tokens
    }
  }

  /// Which logits are wanted.
  public enum Places: Sendable {
    /// Those after the last token of each step.
    case last
    /// Those after each token.
    case all
  }

  /// Runs the next tokens of several sequences in one pass.
  ///
  /// - Parameters:
  ///   - steps: sequences of this model, each once, and their next tokens, at least one for each.
  ///   - places: which logits are wanted.
  /// - Returns: for each step its logits, F32, [places, vocabulary] row-major.
  /// - Throws: `AdapterError` where a token is unknown, there are more than the model has positions, logits
  ///   are not finite, or a sequence is of another model or there twice. Then no sequence has changed.
  public func logits(
    after steps: [Step], at places: Places = .last
  ) throws -> [[Float]] {
    try check(steps)
    guard !steps.isEmpty else { return [] }
    let workspace = workspaces.withLock { $0.popLast() } ?? Workspace()
    defer { putBack(workspace) }
    let rowCounts = steps.map { $0.tokens.count + $0.sequence.pendingPrompt.count }
    let x = workspace.rows(rowCounts.reduce(0, +), dimensions.hiddenSize)
    var segments: [Pass.Segment] = []
    var start = 0
    for (step, count) in zip(steps, rowCounts) {
      embed(step, x[start..<start + count])
      step.sequence.cache.reserve(count)
      segments.append(
        .init(rows: start..<start + count, cache: step.sequence.cache, stack: step.sequence.stack))
      start += count
    }
    let pass = Pass(workspace: workspace, segments: segments)
    decoder.run(x, pass)
    let logits = makeLogits(x, pass, steps.map(\.tokens.count), places)
    for (step, values) in zip(steps, logits) {
      guard let place = values.firstIndex(where: { !$0.isFinite }) else { continue }
      let first = places == .all ? 0 : step.tokens.count - 1
      throw AdapterError.nonfiniteLogits(
        position: step.sequence.tokenCount + first + place / vocabularySize)
    }
    for (step, count) in zip(steps, rowCounts) { step.sequence.advance(by: count) }
    return logits
  }

  /// Memory of a very large pass is given back.
  private func putBack(_ workspace: Workspace) {
    workspace.reset()
    guard workspace.byteCount <= 1 << 26 else { return }
    workspaces.withLock { $0.append(workspace) }
  }

  private func check(_ steps: [Step]) throws {
    guard Set(steps.map { ObjectIdentifier($0.sequence) }).count == steps.count else {
      throw AdapterError.cannotJoin("a sequence is in the batch twice")
    }
    for step in steps { try check(step) }
  }

  private func check(_ step: Step) throws {
    guard step.sequence.stack.model == identity else {
      throw AdapterError.cannotJoin("a sequence of another model")
    }
    guard !step.tokens.isEmpty else { throw AdapterError.noTokens }
    let needed = step.sequence.positions + step.sequence.pendingPrompt.count + step.tokens.count
    if let count = dimensions.positionCount, needed > count {
      throw AdapterError.tooLong(tokens: needed, positions: count)
    }
    for token in step.tokens where token < 0 || token >= vocabularySize {
      throw AdapterError.unknownToken(token, vocabularySize: vocabularySize)
    }
  }

  /// The soft prompt's rows, if they have not been run yet, and those of the tokens. A prompt was trained as
  /// what follows the embedding: only tokens are scaled.
  private func embed(_ step: Step, _ x: FloatRows) {
    let prompt = step.sequence.pendingPrompt
    for row in 0..<prompt.count {
      let target = unsafe x[row]
      for column in 0..<x.width { unsafe target[column] = prompt.rows[row * x.width + column] }
    }
    for (index, token) in step.tokens.enumerated() {
      let row = Int(token)
      let target = unsafe x[prompt.count + index]
      unsafe decoder.embedding.widen(row..<row + 1, into: target)
      guard let scale = decoder.embeddingScale else { continue }
      for column in 0..<x.width { unsafe target[column] *= scale }
    }
  }

  /// Only the rows that are wanted go through the last layer, which is the largest.
  private func makeLogits(
    _ x: FloatRows, _ pass: Pass, _ tokenCounts: [Int], _ places: Places
  ) -> [[Float]] {
    let counts = places == .last ? tokenCounts.map { _ in 1 } : tokenCounts
    let chosen = pass.workspace.rows(counts.reduce(0, +), x.width)
    var segments: [Pass.Segment] = []
    var start = 0
    for (segment, count) in zip(pass.segments, counts) {
      let end = segment.rows.upperBound
      chosen[start..<start + count].copy(from: x[end - count..<end])
      segments.append(
        .init(rows: start..<start + count, cache: segment.cache, stack: segment.stack))
      start += count
    }
    let last = Pass(workspace: pass.workspace, segments: segments)
    let logits = last.apply(decoder.head, to: decoder.normalise(chosen, last))
    if let cap = decoder.logitCap { unsafe Functions.softcap(logits.elements, at: cap) }
    return segments.map { unsafe Array(logits[$0.rows].elements) }
  }
}

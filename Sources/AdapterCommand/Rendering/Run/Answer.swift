internal import AdapterModels

/// A model's answer to a prompt, piece by piece, and the time that it takes.
final class Answer {
  /// The kind of model that runs.
  enum Kind: String {
    case base
    case adapted
  }

  /// Why it has ended.
  enum End: String {
    case endToken = "end_token"
    case count
    case positions
    case stop
    /// Somebody did not want to hear more.
    case interruption
  }

  let kind: Kind
  private(set) var tokens: [Int32] = []
  private(set) var text = ""
  private(set) var end: End?
  /// From the prompt's tokens to the first logits.
  let prefillSeconds: Double
  /// From there to the last token.
  private(set) var decodeSeconds = 0.0
  private let generation: Generation
  private var stream: TextStream?
  private var stops: StopTexts

  /// Runs the prompt; where it begins with all of an earlier answer, only the rest.
  init(
    _ kind: Kind, _ model: RunModel, _ input: RunInput, _ options: SamplingOptions,
    after other: Answer? = nil
  ) throws(Failure) {
    self.kind = kind
    guard input.tokenizer != nil || options.stop.isEmpty else {
      throw Failure("--stop is about text, and the model has no tokenizer that makes some")
    }
    let runner = kind == .adapted ? model.model : try model.withoutAdapters()
    let start = ContinuousClock.now
    generation = try running {
      try Generation(
        runner, prompt: input.tokens, with: kind == .adapted ? model.stack : nil,
        options: options.generation(endTokens: input.endTokens), after: other?.generation)
    }
    prefillSeconds = (ContinuousClock.now - start) / .seconds(1)
    stream = input.tokenizer.map { TextStream($0, skippingSpecialTokens: true) }
    stops = StopTexts(options.stop)
  }

  /// The next piece of the text, which may be empty; nil where it has ended.
  func next() throws(Failure) -> String? {
    guard end == nil else { return nil }
    let start = ContinuousClock.now
    defer { decodeSeconds += (ContinuousClock.now - start) / .seconds(1) }
    let token = try Interruption.isAnswerUnwanted ? nil : running { try generation.next() }
    guard let token else {
      end = generation.end.flatMap { End(rawValue: $0.rawValue) } ?? .interruption
      return take(stops.append(stream?.finish() ?? "")) + take((stops.finish(), false))
    }
    tokens.append(token)
    return take(
      stops.append(stream?.append(token) ?? (tokens.count == 1 ? "\(token)" : " \(token)")))
  }

  private func take(_ piece: (shown: String, isEnd: Bool)) -> String {
    if piece.isEnd {
      end = .stop
      // What comes after it is not wanted.
      stops = StopTexts([])
    }
    text += piece.shown
    return piece.shown
  }

  /// How many tokens of the prompt an earlier answer has run already.
  var knownCount: Int { generation.knownCount }

  /// True if the model would have said more.
  var isCut: Bool { end == .count || end == .positions }

  /// Says on standard error that it is not whole.
  func reportCut(_ options: SamplingOptions, _ model: RunModel) {
    switch end {
    case .count:
      Terminal.report(
        "note",
        "the answer was cut at \(options.maximumCount) tokens: --max-new-tokens raises the limit")
    case .positions:
      Terminal.report(
        "note",
        "the answer was cut: the model has no more than \(model.model.positionCount ?? 0) positions"
      )
    default: break
    }
  }
}

extension String {
  /// The text with its control characters shown, except line ends and tabs: a model's answer may hold any.
  var escapedLines: String {
    split(separator: "\n", omittingEmptySubsequences: false)
      .map {
        $0.split(separator: "\t", omittingEmptySubsequences: false).map { String($0).escaped }
      }
      .map { $0.joined(separator: "\t") }
      .joined(separator: "\n")
  }
}

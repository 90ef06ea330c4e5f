internal import AdapterModels

/// What a model said, and how long it took.
struct RunResult {
  /// What ran.
  enum Kind: String {
    case base
    case adapted
  }

  let kind: Kind
  private(set) var tokens: [Int32] = []
  private(set) var text = ""
  /// From the prompt's tokens to the first logits.
  let prefillSeconds: Double
  /// From there to the last token.
  let decodeSeconds: Double
  let end: Generation.End?

  /// Runs the prompt, and gives every piece of the text as soon as it is there.
  init(
    _ kind: Kind, _ model: RunModel, _ input: RunInput, _ options: Generation.Options,
    _ show: (String) -> Void
  ) throws(Failure) {
    self.kind = kind
    let runner = kind == .adapted ? model.model : try model.withoutAdapters()
    let start = ContinuousClock.now
    let generation = try running {
      try Generation(
        runner, prompt: input.tokens, with: kind == .adapted ? model.stack : nil, options: options)
    }
    let prefilled = ContinuousClock.now
    var stream = input.tokenizer.map { TextStream($0, skippingSpecialTokens: true) }
    while let token = try running({ try generation.next() }) {
      tokens.append(token)
      let piece = stream?.append(token) ?? (tokens.count == 1 ? "\(token)" : " \(token)")
      text += piece
      show(piece.escapedLines)
    }
    let rest = stream?.finish() ?? ""
    text += rest
    show(rest.escapedLines)
    prefillSeconds = (prefilled - start) / .seconds(1)
    decodeSeconds = (ContinuousClock.now - prefilled) / .seconds(1)
    end = generation.end
  }
}

extension String {
  /// What a model says may hold control characters: line ends and tabs stay, others are shown.
  var escapedLines: String {
    split(separator: "\n", omittingEmptySubsequences: false)
      .map {
        $0.split(separator: "\t", omittingEmptySubsequences: false).map { String($0).escaped }
      }
      .map { $0.joined(separator: "\t") }
      .joined(separator: "\n")
  }
}

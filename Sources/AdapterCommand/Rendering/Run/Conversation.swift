internal import AdapterModels
internal import Storage

/// A conversation on a terminal: every line is a question or a command that begins with `/`.
struct Conversation {
  private var model: RunModel
  private let chat: Chat
  private let options: SamplingOptions
  /// True if every answer is shown beside the base's.
  private let compares: Bool
  private let showsStatistics: Bool
  private var usesAdapters: Bool
  private var turns: [ChatTemplate.Turn] = []
  private var last: RunReport?

  init(_ command: RunCommand, _ model: RunModel) throws(Failure) {
    self.model = model
    chat = try Chat(command.prompt, model, model.tokenizer())
    options = command.sampling
    compares = command.compare
    showsStatistics = command.stats
    usesAdapters = !model.weights.isEmpty
  }

  /// Goes on until it is left.
  mutating func run() {
    Terminal.write("\(model.name.escaped)\(adapterNote). /help lists the commands, /quit leaves.\n")
    defer { Interruption.setPhase(.none) }
    while true {
      Interruption.setPhase(.asking)
      Terminal.write("> ")
      guard let line = readLine() else {
        Terminal.write("\n")
        return
      }
      Interruption.setPhase(.answering)
      do throws(Failure) {
        guard let command = ConversationCommand(line) else {
          if !line.allSatisfy(\.isWhitespace) { try ask(line) }
          continue
        }
        if case .quit = command { return }
        try obey(command)
      } catch {
        error.report(asJSON: false)
      }
    }
  }

  private mutating func ask(_ question: String) throws(Failure) {
    let asked = turns + [.init(.user, question)]
    let kind: Answer.Kind = usesAdapters || model.weights.isEmpty ? .adapted : .base
    let answers = try answer(asked, compares ? [.base, .adapted] : [kind])
    guard let answer = answers.last else { return }
    turns = asked + [.init(.assistant, answer.text)]
  }

  /// Answers what was asked last.
  private mutating func answer(
    _ turns: [ChatTemplate.Turn], _ kinds: [Answer.Kind]
  ) throws(Failure) -> [Answer] {
    let start = ContinuousClock.now
    let input = try chat.input(turns, for: model)
    if let limit = model.model.positionCount, input.tokens.count >= limit {
      throw Failure(
        "the conversation has \(input.tokens.count) tokens, and the model has \(limit) positions",
        hint: turns.count > 1 ? "/reset forgets it" : "ask for less")
    }
    var answers: [Answer] = []
    for kind in kinds {
      let earlier = last?.runs.first { $0.kind == kind }
      answers.append(try Answer(kind, model, input, options, after: earlier))
    }
    if answers.count > 1 {
      try AnswerColumns.write(answers)
    } else if let only = answers.first {
      while let piece = try only.next() { Terminal.write(piece.escapedLines) }
      Terminal.write("\n")
    }
    for answer in answers { answer.reportCut(options, model) }
    let report = RunReport(
      base: model.name, references: [], model: model, input: input, runs: answers,
      seconds: (ContinuousClock.now - start) / .seconds(1))
    if showsStatistics { report.reportStatistics() }
    last = report
    return answers
  }
}

// MARK: - Commands

extension Conversation {
  private mutating func obey(_ command: ConversationCommand) throws(Failure) {
    switch command {
    case .adapter(let weight, let place):
      guard !model.weights.isEmpty else {
        throw Failure("there is no adapter: name one when you start")
      }
      if let weight { try reweight(weight, place) }
      usesAdapters = true
      Terminal.write(model.weightLines)
    case .base:
      usesAdapters = false
      Terminal.write("answers come from the base alone; /adapter brings the adapters back\n")
    case .compare: try compare()
    case .reset:
      turns = []
      Terminal.write("the conversation begins anew\n")
    case .stats:
      guard let last else { throw Failure("there are no statistics before the first answer") }
      Terminal.write(last.statistics.map { $0 + "\n" }.joined())
    case .help: Terminal.write(ConversationCommand.helpText)
    case .quit: break
    case .unknown(let words):
      throw Failure("\(words) is not a command", hint: "/help lists the commands")
    }
  }

  private mutating func reweight(_ weight: Double, _ place: Int?) throws(Failure) {
    let count = model.weights.count
    guard place != nil || count == 1 else {
      throw Failure(
        "there are \(count) adapters: say which", hint: "/adapter 1 \(weight) is the first")
    }
    guard (1...count).contains(place ?? 1) else {
      throw Failure("there is no adapter \(place ?? 1): the last one is \(count)")
    }
    try model.reweight((place ?? 1) - 1, to: weight)
  }

  private mutating func compare() throws(Failure) {
    guard let place = turns.lastIndex(where: { $0.role == .user }) else {
      throw Failure("there is no question to compare the answers to: ask one first")
    }
    guard !model.weights.isEmpty else {
      throw Failure("there is no adapter to compare the base with")
    }
    _ = try answer(Array(turns[...place]), [.base, .adapted])
  }

  private var adapterNote: String {
    model.weights.isEmpty ? "" : " with " + model.labels.map(\.escaped).joined(separator: ", ")
  }
}

internal import AdapterModels
internal import ArgumentParser
internal import Storage

/// The input of a model.
struct PromptOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The text to continue, or - for standard input.", valueName: "text"))
  var prompt: String?

  @Option(
    help: ArgumentHelp("Read the text to continue from this file.", valueName: "file"),
    completion: .file())
  var promptFile: String?

  @Option(
    help: ArgumentHelp("Tokens to continue, in place of a text.", valueName: "1,2,3"))
  var tokenIds: TokenList?

  @Flag(help: "Put the prompt into the form of a conversation.")
  var chat = false

  @Option(
    help: ArgumentHelp(
      "The form of a conversation, in place of the model's own: \(ChatTemplate.names.joined(separator: ", ")), or a .jinja file.",
      valueName: "form"), completion: .file(extensions: ["jinja"]))
  var chatTemplate: String?

  @Option(help: "System text of the conversation, in place of the model's own.")
  var system: String?

  /// A list of token identifiers.
  struct TokenList: ExpressibleByArgument {
    let tokens: [Int32]

    init?(argument: String) {
      let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
      tokens = parts.compactMap { Int32($0) }
      if tokens.count != parts.count { return nil }
    }
  }

  /// Where the prompt comes from.
  enum Source {
    case text(String)
    case file(String)
    case standardInput
    case tokens([Int32])
    /// A person types it, again and again.
    case conversation
  }

  var source: Source {
    if let tokenIds { return .tokens(tokenIds.tokens) }
    if let promptFile { return .file(promptFile) }
    if let prompt { return prompt == "-" ? .standardInput : .text(prompt) }
    return StandardInput.isTerminal ? .conversation : .standardInput
  }

  var isConversation: Bool { if case .conversation = source { true } else { false } }

  func check() throws {
    let count = [prompt != nil, promptFile != nil, tokenIds != nil].filter { $0 }.count
    guard count <= 1 else {
      throw ValidationError("--prompt, --prompt-file and --token-ids: give one of them")
    }
    if case .standardInput = source, StandardInput.isTerminal {
      throw ValidationError("--prompt - reads standard input, which is a terminal")
    }
    guard tokenIds == nil || (!chat && system == nil) else {
      throw ValidationError("--chat and --system are for a text: --prompt")
    }
    guard chat || isConversation || (chatTemplate == nil && system == nil) else {
      throw ValidationError("--chat-template and --system have no effect without --chat")
    }
    guard !isConversation || StandardOutput.isTerminal else {
      throw ValidationError(
        "a conversation needs a terminal, and standard output is not one: give --prompt")
    }
  }
}

/// A prompt as a model sees it.
struct RunInput {
  let tokens: [Int32]
  /// The tokenizer; nil for a model without one.
  let tokenizer: Tokenizer?
  /// Tokens that end the answer; nil for the model's own.
  var endTokens: [Int32]?
  /// The form of the conversation; nil for a text that is continued.
  var form: String?
}

extension RunInput {
  /// A text, or tokens.
  ///
  /// - Parameters:
  ///   - options: how the prompt is given.
  ///   - text: the text; nil for tokens.
  ///   - model: the model.
  /// - Throws: `Failure` where there is no tokenizer for a text, or no form for a conversation.
  init(_ options: PromptOptions, _ text: String?, for model: RunModel) throws(Failure) {
    guard let text else {
      self.init(
        tokens: options.tokenIds?.tokens ?? [], tokenizer: model.optionalTokenizer())
      return
    }
    let tokenizer = try model.tokenizer()
    guard options.chat else {
      self.init(tokens: tokenizer.encode(text), tokenizer: tokenizer)
      return
    }
    let chat = try Chat(options, model, tokenizer)
    self = try chat.input([.init(.user, text)], for: model)
  }
}

/// How a conversation is written for a model.
struct Chat {
  let template: ChatTemplate
  let tokenizer: Tokenizer
  let system: String?
  private let endOfTurn: Int32?

  init(_ options: PromptOptions, _ model: RunModel, _ tokenizer: Tokenizer) throws(Failure) {
    template = try model.chatTemplate(options.chatTemplate, for: tokenizer)
    self.tokenizer = tokenizer
    system = options.system
    endOfTurn = template.endOfTurn(in: tokenizer)
  }

  /// The prompt up to where the model is to speak.
  func input(_ turns: [ChatTemplate.Turn], for model: RunModel) throws(Failure) -> RunInput {
    let tokens = try failingChat { () throws(TokenizerError) in
      try template.encode(turns, system: system, with: tokenizer)
    }
    return RunInput(
      tokens: tokens, tokenizer: tokenizer,
      endTokens: model.model.endTokens + (endOfTurn.map { [$0] } ?? []), form: template.name)
  }
}

/// Runs a step of a chat template; what cannot be done names the ways around it.
func failingChat<Value>(
  _ body: () throws(TokenizerError) -> Value
) throws(Failure) -> Value {
  try rethrowing(
    as: {
      Failure(
        $0.description,
        hint: "name the form: --chat-template, with \(ChatTemplate.names.joined(separator: ", ")) "
          + "or a .jinja file; or write it out yourself: --prompt without --chat, or --token-ids")
    }, body)
}

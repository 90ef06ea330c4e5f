internal import AdapterModels
internal import ArgumentParser
internal import Checkpoints
internal import Storage
internal import SystemPackage

/// What a model is given.
struct PromptOptions: ParsableArguments {
  @Option(help: "The text to continue.")
  var prompt: String?

  @Option(
    help: ArgumentHelp("Tokens to continue, in place of a text.", valueName: "1,2,3"))
  var tokenIds: TokenList?

  @Flag(help: "Puts the prompt into the form of a conversation, and waits for the answer.")
  var chat = false

  @Option(help: "The form of a conversation, where the tokenizer does not show it.")
  var chatTemplate: ChatChoice?

  @Option(help: "What stands before the conversation, in place of what the model's own form says.")
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

  /// The forms that there are.
  enum ChatChoice: String, ExpressibleByArgument, CaseIterable {
    case chatml
    case llama3
    case plain
  }

  func check() throws {
    guard (prompt == nil) != (tokenIds == nil) else {
      throw ValidationError("give --prompt or --token-ids")
    }
    guard prompt != nil || (!chat && system == nil) else {
      throw ValidationError("--chat and --system are for a text: --prompt")
    }
    guard chat || (chatTemplate == nil && system == nil) else {
      throw ValidationError("--chat-template and --system have no effect without --chat")
    }
  }

  /// The prompt as tokens, and what ends the answer.
  func input(for model: RunModel) throws(Failure) -> RunInput {
    if let tokenIds {
      return RunInput(tokens: tokenIds.tokens, tokenizer: model.optionalTokenizer(), endTokens: nil)
    }
    let tokenizer = try model.tokenizer()
    let text = prompt ?? ""
    guard chat else {
      return RunInput(tokens: tokenizer.encode(text), tokenizer: tokenizer, endTokens: nil)
    }
    let template = try form(for: tokenizer)
    let folder = model.checkpoint.configPath.removingLastComponent()
    let tokens = template.encode(
      [.init(.user, text)], system: system ?? ChatTemplate.defaultSystem(ofModel: folder),
      with: tokenizer)
    var ends = model.model.endTokens
    if let end = template.endOfTurn.flatMap(tokenizer.id(of:)) { ends.append(end) }
    return RunInput(tokens: tokens, tokenizer: tokenizer, endTokens: ends)
  }

  private func form(for tokenizer: Tokenizer) throws(Failure) -> ChatTemplate {
    if let name = chatTemplate, let form = ChatTemplate(name.rawValue) { return form }
    return try rethrowing(as: { Failure($0.description, hint: "--chat-template chatml") }) {
      () throws(TokenizerError) in try ChatTemplate(for: tokenizer)
    }
  }
}

/// A prompt as a model sees it.
struct RunInput {
  let tokens: [Int32]
  /// What makes text of tokens; nil for a model without one.
  let tokenizer: Tokenizer?
  /// What ends the answer; nil for the model's own.
  let endTokens: [Int32]?
}

package import Storage

/// How the turns of a conversation are written for a model: in one of a few forms that have names, or in the form
/// that the model brings as a program of a template language.
///
/// A program is rendered as transformers renders it. One that asks for more than conversations without tools need
/// is refused by name.
public struct ChatTemplate: Sendable {
  /// The name of the form, or the file that holds it.
  public let name: String
  /// The tokens that the template may ask for.
  private let specialTokens: [String: String?]
  /// Their names.
  package static let tokenNames = [
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
  ]
  private let nodes: [TemplateNode]
  private let isPlain: Bool
  /// The date that templates may ask for; of this machine where it is nil.
  package var today: LocalDate?

  /// One turn of a conversation.
  public struct Turn: Sendable, Hashable {
    /// Who speaks.
    public enum Role: String, Sendable {
      /// The person.
      case user
      /// The model.
      case assistant
    }

    /// Who speaks.
    public let role: Role
    /// The text of the turn.
    public let text: String

    /// Makes a turn.
    public init(_ role: Role, _ text: String) {
      self.role = role
      self.text = text
    }
  }

  /// The names of the forms that have one.
  public static let names = ChatForm.all.map(\.name)

  /// Finds a form by its name, such as `chatml`, `llama3` or `plain`.
  ///
  /// - Parameter name: one of `names`.
  public init?(_ name: String) {
    guard let form = ChatForm.all.first(where: { $0.name == name }) else { return nil }
    self.init(form)
  }

  /// Chooses the form whose special tokens a tokenizer has, for a model without a template.
  ///
  /// - Parameter tokenizer: the model's tokenizer.
  /// - Throws: `chat` where it has those of no form, or of several.
  public init(for tokenizer: Tokenizer) throws(TokenizerError) {
    let fitting = ChatForm.all.filter { form in
      !form.markers.isEmpty
        && form.markers.allSatisfy { tokenizer.id(of: $0).map(tokenizer.isSpecial) ?? false }
    }
    let names = Self.names.joined(separator: ", ")
    guard let only = fitting.first, fitting.count == 1 else {
      let found = fitting.isEmpty ? "no form of chat" : "more than one form of chat"
      throw .chat("the tokenizer has the special tokens of \(found): name one of \(names)")
    }
    self.init(only)
  }

  /// Reads a template.
  ///
  /// - Parameters:
  ///   - template: its text.
  ///   - specialTokens: the texts of the tokens that it may ask for, by names such as `bos_token`; nil for a token
  ///     that the model does not have. To ask for another one is refused.
  ///   - name: what errors call it.
  /// - Throws: `chat` where it is no template, or asks for what is not implemented.
  public init(
    template: [UInt8], specialTokens: [String: String?], calledAs name: String
  ) throws(TokenizerError) {
    do throws(TemplateFault) {
      nodes = try TemplateParser.nodes(of: template)
    } catch {
      throw .chat("\(name): the chat template cannot be used: \(error.reason)")
    }
    self.name = name
    self.specialTokens = specialTokens
    isPlain = false
  }

  private init(_ form: ChatForm) {
    // The forms are written here, and tested: they are templates.
    nodes = (try? TemplateParser.nodes(of: Array(form.template.utf8))) ?? []
    name = form.name
    specialTokens = [:]
    isPlain = form.name == ChatForm.plain.name
  }
}

// MARK: - Text

extension ChatTemplate {
  /// Writes a conversation up to where the model is to speak.
  ///
  /// - Parameters:
  ///   - turns: who said what.
  ///   - system: what stands before them; nil for what the template itself says, which may be nothing.
  /// - Throws: `chat` where the template refuses the conversation, or asks for what is not implemented.
  /// - Returns: the text.
  public func prompt(_ turns: [Turn], system: String? = nil) throws(TokenizerError) -> String {
    try render(turns, system, beginsAnswer: true)
  }

  private func render(
    _ turns: [Turn], _ system: String?, beginsAnswer: Bool
  ) throws(TokenizerError) -> String {
    func message(_ role: String, _ text: String) -> TemplateValue {
      .map(["role": .text(role), "content": .text(text)])
    }
    let messages =
      (system.map { [message("system", $0)] } ?? [])
      + turns.map { message($0.role.rawValue, $0.text) }
    var variables: [String: TemplateValue] = [
      "messages": .list(messages), "tools": .none, "documents": .none,
      "add_generation_prompt": .boolean(beginsAnswer),
    ]
    for (name, token) in specialTokens { variables[name] = token.map { .text($0) } }
    let unknown = Set(Self.tokenNames).subtracting(specialTokens.keys)
    var renderer = TemplateRenderer(variables, unknown: unknown, today: today ?? LocalDate.today)
    do throws(TemplateFault) {
      try renderer.render(nodes)
    } catch {
      throw .chat("\(name): the chat template cannot be used: \(error.reason)")
    }
    return String(decoding: renderer.output, as: UTF8.self)
  }

  /// The tokens of a conversation up to where the model is to speak.
  ///
  /// - Parameters:
  ///   - turns: who said what.
  ///   - system: what stands before them; nil for what the template itself says, which may be nothing.
  ///   - tokenizer: the model's tokenizer.
  /// - Throws: `chat` as `prompt(_:system:)`.
  /// - Returns: their ids.
  public func encode(
    _ turns: [Turn], system: String? = nil, with tokenizer: Tokenizer
  ) throws(TokenizerError) -> [Int32] {
    // The forms name the token of the beginning themselves.
    tokenizer.encode(try prompt(turns, system: system), addingSpecialTokens: isPlain)
  }

  /// The special token that the template writes after what the model has said.
  ///
  /// - Parameter tokenizer: the model's tokenizer.
  /// - Returns: its id, or nil where there is none.
  public func endOfTurn(in tokenizer: Tokenizer) -> Int32? {
    // No text of a template is likely to hold these words.
    let said = "Zq words that the model said qZ"
    guard !isPlain,
      let text = try? render(
        [.init(.user, "Hi"), .init(.assistant, said)], nil, beginsAnswer: false),
      let end = text.range(of: said)
    else { return nil }
    let rest = tokenizer.encode(
      String(text[end...].drop(while: \.isWhitespace)), addingSpecialTokens: false)
    return rest.first.flatMap { tokenizer.isSpecial($0) ? $0 : nil }
  }
}

extension String {
  /// Where this text goes on after the last place of another one.
  fileprivate func range(of part: String) -> Index? {
    let (whole, part) = (Array(utf8), Array(part.utf8))
    guard whole.count >= part.count else { return nil }
    for start in (0...whole.count - part.count).reversed() where whole[start...].starts(with: part)
    {
      return utf8.index(utf8.startIndex, offsetBy: start + part.count)
    }
    return nil
  }
}

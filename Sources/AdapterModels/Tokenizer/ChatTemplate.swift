internal import Storage
public import SystemPackage

/// How the turns of a conversation are written for a model, in one of a few plain forms.
///
/// Models bring their form as a program in a template language. The forms here are what the programs
/// of the best known families write for plain turns, without tools, dates and the like.
public enum ChatTemplate: String, Sendable, CaseIterable {
  /// `<|im_start|>user`, a line end, the text, `<|im_end|>`: SmolLM2, Qwen2 and many others.
  case chatML = "chatml"
  /// Llama 3: a header of each turn, an empty line, the text, `<|eot_id|>`.
  case llama3
  /// The texts as they are: for models that were not made for conversations.
  case plain

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
    /// What is said.
    public let text: String

    /// Makes a turn.
    public init(_ role: Role, _ text: String) {
      self.role = role
      self.text = text
    }
  }

  /// Finds a form by its name: `chatml`, `llama3` or `plain`.
  ///
  /// - Parameter name: the name.
  public init?(_ name: String) {
    self.init(rawValue: name)
  }

  /// Chooses the form whose special tokens a tokenizer has.
  ///
  /// - Parameter tokenizer: the model's tokenizer.
  /// - Throws: `chat` where it has those of no form, or of several.
  public init(for tokenizer: Tokenizer) throws(TokenizerError) {
    let fitting = Self.allCases.filter { template in
      !template.markers.isEmpty
        && template.markers.allSatisfy { tokenizer.id(of: $0).map(tokenizer.isSpecial) ?? false }
    }
    let names = Self.allCases.map(\.rawValue).joined(separator: ", ")
    guard let only = fitting.first, fitting.count == 1 else {
      let found = fitting.isEmpty ? "no form of chat" : "more than one form of chat"
      throw .chat("the tokenizer has the special tokens of \(found): name one of \(names)")
    }
    self = only
  }

  private var markers: [String] {
    switch self {
    case .chatML: ["<|im_start|>", "<|im_end|>"]
    case .llama3: ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    case .plain: []
    }
  }

  /// The special token after a turn, nil where turns have no end.
  public var endOfTurn: String? { markers.last }
}

// MARK: - Text

extension ChatTemplate {
  /// Writes a conversation up to where the model is to speak.
  ///
  /// - Parameters:
  ///   - turns: who said what.
  ///   - system: what stands before them; nil for nothing at all.
  /// - Returns: the text.
  public func prompt(_ turns: [Turn], system: String? = nil) -> String {
    var text = ""
    switch self {
    case .plain:
      return ((system.map { [$0] } ?? []) + turns.map(\.text)).joined(separator: "\n")
    case .chatML:
      func write(_ role: String, _ body: String) {
        text += "<|im_start|>\(role)\n\(body)<|im_end|>\n"
      }
      if let system { write("system", system) }
      for turn in turns { write(turn.role.rawValue, turn.text) }
      return text + "<|im_start|>assistant\n"
    case .llama3:
      func write(_ role: String, _ body: String) {
        text += "<|start_header_id|>\(role)<|end_header_id|>\n\n\(body.trimmed)<|eot_id|>"
      }
      if let system { write("system", system) }
      for turn in turns { write(turn.role.rawValue, turn.text) }
      return "<|begin_of_text|>" + text + "<|start_header_id|>assistant<|end_header_id|>\n\n"
    }
  }

  /// The tokens of a conversation up to where the model is to speak.
  ///
  /// - Parameters:
  ///   - turns: who said what.
  ///   - system: what stands before them; nil for nothing at all.
  ///   - tokenizer: the model's tokenizer.
  /// - Returns: their ids.
  public func encode(_ turns: [Turn], system: String? = nil, with tokenizer: Tokenizer) -> [Int32] {
    // The forms name the token of the beginning themselves.
    tokenizer.encode(prompt(turns, system: system), addingSpecialTokens: self == .plain)
  }

  /// The system text that a model's own template writes where none is given, if it is a known one.
  ///
  /// - Parameter folder: the model's folder, with `chat_template.jinja` or `tokenizer_config.json`.
  /// - Returns: the text, or nil where there is none, or none that is known.
  public static func defaultSystem(ofModel folder: FilePath) -> String? {
    for name in ["chat_template.jinja", "tokenizer_config.json"] {
      guard let file = try? File(folder.appending(name)),
        let bytes = try? file.contents(limit: 1 << 20)
      else { continue }
      let known = knownSystems.first { text in
        // A line end, or how a string of the template's language or of JSON writes it.
        ["\n", "\\n", "\\\\n"].contains { bytes.contains("system\($0)\(text)<|im_end|>") }
      }
      if let known { return known }
    }
    return nil
  }

  private static let knownSystems = [
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face",
    "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
    "You are a helpful assistant.", "You are a helpful assistant",
  ]
}

extension [UInt8] {
  /// Whether a text is in these bytes.
  fileprivate func contains(_ text: String) -> Bool {
    let part = Array(text.utf8)
    guard let first = part.first, count >= part.count else { return false }
    return (0...count - part.count).contains {
      self[$0] == first && self[$0..<$0 + part.count] == part[...]
    }
  }
}

extension String {
  /// Without white space at both ends.
  fileprivate var trimmed: String {
    func isSpace(_ scalar: Unicode.Scalar) -> Bool {
      scalar.properties.isWhitespace || (0x1C...0x1F).contains(scalar.value)
    }
    let scalars = unicodeScalars
    guard let first = scalars.firstIndex(where: { !isSpace($0) }),
      let last = scalars.lastIndex(where: { !isSpace($0) })
    else { return "" }
    return String(scalars[first...last])
  }
}

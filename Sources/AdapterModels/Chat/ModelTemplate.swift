internal import Storage
internal import StrictJSON
public import SystemPackage

/// The files of a model, or of an adapter, that say how its conversations are written.
public struct ChatFiles: Sendable {
  private let template: [UInt8]?
  private let name: String
  private let config: [JSONValue.Member]
  private let map: [JSONValue.Member]

  /// The names of the files that may hold a template, in the order in which they are looked into.
  private static let names = ["chat_template.jinja", "chat_template.json", "tokenizer_config.json"]

  /// The names of all files that are read.
  package static let all = Set(names).union(["special_tokens_map.json"])

  /// Reads the files of a folder.
  ///
  /// - Parameter folder: a model's folder.
  /// - Throws: `TokenizerError` where a file is there and cannot be read.
  public init(_ folder: FilePath) throws(TokenizerError) {
    try self.init(calledAs: folder.string) { (file) throws(TokenizerError) in
      let path = folder.appending(file)
      let opened = try rethrowing(as: TokenizerError.storage) { () throws(StorageError) in
        try File.ifThere(path)
      }
      guard let opened else { return nil }
      let contents = try rethrowing(as: TokenizerError.storage) { () throws(StorageError) in
        try opened.contents(limit: Self.sizeLimit)
      }
      guard let contents else {
        throw .chat("\(path): \(opened.count) bytes are too many: the limit is \(Self.sizeLimit)")
      }
      return contents
    }
  }

  /// Takes files from elsewhere.
  ///
  /// - Parameters:
  ///   - place: what errors name before the file's name.
  ///   - read: gives a file's bytes; nil where there is no such file.
  /// - Throws: `TokenizerError` where a file is no JSON, or what `read` throws.
  package init(
    calledAs place: String, _ read: (String) throws(TokenizerError) -> [UInt8]?
  ) throws(TokenizerError) {
    func object(_ file: String) throws(TokenizerError) -> [JSONValue.Member] {
      guard let bytes = try read(file) else { return [] }
      let path = FilePath(place).appending(file)
      let value = try rethrowing(as: { TokenizerError.json(path, $0) }) { () throws(JSONError) in
        try JSONValue(document: bytes, maximumDepth: 32)
      }
      guard case .object(let members) = value else { throw .invalid(path, "no JSON object") }
      return members
    }
    config = try object("tokenizer_config.json")
    map = try object("special_tokens_map.json")
    var found: (file: String, text: [UInt8])?
    for file in Self.names where found == nil {
      if file.hasSuffix(".jinja") {
        found = try read(file).map { (file, $0) }
      } else {
        let members = file == "tokenizer_config.json" ? config : try object(file)
        found = Self.template(in: members).map { (file, $0) }
      }
    }
    template = found?.text
    name = FilePath(place).appending(found?.file ?? "").string
  }

  private static let sizeLimit = 1 << 22

  /// The template of a file: a text, or of several that have names the one that is called default.
  private static func template(in members: [JSONValue.Member]) -> [UInt8]? {
    switch members.first(where: { $0.key == "chat_template" })?.value {
    case .string(let text): return Array(text.utf8)
    case .array(let all):
      for case .object(let one) in all where one.contains(where: { $0.value == .string("default") })
      {
        if case .string(let text)? = one.first(where: { $0.key == "template" })?.value {
          return Array(text.utf8)
        }
      }
      return nil
    default: return nil
    }
  }

  /// The tokens that templates may ask for. One that no file names is nil where the tokenizer's class names none
  /// either, and missing where it may.
  private var specialTokens: [String: String?] {
    var tokens: [String: String?] = [:]
    for name in ChatTemplate.tokenNames {
      let value = [config, map].lazy.compactMap { $0.first { $0.key == Name(name) }?.value }.first
      switch value {
      case .string(let text)?: tokens[name] = .some(text)
      case .object(let members)?:
        guard case .string(let text)? = members.first(where: { $0.key == "content" })?.value else {
          continue
        }
        tokens[name] = .some(text)
      case .null?: tokens[name] = .some(nil)
      default: if hasPlainClass { tokens[name] = .some(nil) }
      }
    }
    return tokens
  }

  /// True if the tokenizer's class has only the tokens that its files name.
  private var hasPlainClass: Bool {
    guard case .string(let name)? = config.first(where: { $0.key == "tokenizer_class" })?.value
    else {
      return false
    }
    return ["PreTrainedTokenizerFast", "TokenizersBackend", "PreTrainedTokenizer"].contains(name)
  }

  /// True if there is a template.
  public var hasTemplate: Bool { template != nil }

  /// Returns true if both hold the same template, or none.
  package func hasTemplate(of other: ChatFiles) -> Bool { template == other.template }

  /// The template, which may ask for special tokens of other files where these name none.
  ///
  /// - Parameter base: the files of the model that an adapter is for; nil for none.
  /// - Throws: `chat` where it cannot be used.
  /// - Returns: nil where there is none.
  public func chatTemplate(withTokensOf base: ChatFiles? = nil) throws(TokenizerError)
    -> ChatTemplate?
  {
    guard let template else { return nil }
    let tokens = specialTokens.merging(base?.specialTokens ?? [:]) { own, _ in own }
    return try ChatTemplate(template: template, specialTokens: tokens, calledAs: name)
  }

  /// A template from elsewhere, which may ask for the tokens of these files.
  package func chatTemplate(
    _ template: [UInt8], calledAs name: String
  ) throws(TokenizerError) -> ChatTemplate {
    try ChatTemplate(template: template, specialTokens: specialTokens, calledAs: name)
  }
}

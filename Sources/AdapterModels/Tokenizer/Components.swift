internal import StrictJSON

/// Reads the parts around the model; what is not known is refused by its name.
enum Components {
  /// The text that a pattern is; nil for a regular expression.
  static func plainPattern(of fields: FieldReader) throws(TokenizerFault) -> String? {
    guard let pattern = fields["pattern"],
      case .string(let text) = try FieldReader(pattern, "pattern")["String"]
    else { return nil }
    return text
  }

  /// The steps that split a text into words.
  ///
  /// - Parameters:
  ///   - value: the pre-tokenizer.
  ///   - alphabet: of the tokens: a vocabulary of bytes must be told of them.
  ///   - normalizer: what comes before.
  /// - Throws: `TokenizerFault` for what is not known.
  /// - Returns: the steps.
  static func preTokenizer(
    _ value: JSONValue?, _ alphabet: TokenAlphabet, after normalizer: TextNormalizer
  ) throws(TokenizerFault) -> PreTokenizer {
    var steps: [PreTokenizer.Step] = []
    var isAtBytes = false
    for fields in try FieldReader.flatten(value, "pre_tokenizer", "pretokenizers") {
      guard !isAtBytes else { throw .unsupported("a pre-tokenizer after ByteLevel") }
      switch try fields.type() {
      case "Digits":
        guard try fields.boolean("individual_digits") else {
          throw .unsupported("the pre-tokenizer Digits without individual_digits")
        }
        steps.append(.digits)
      case "Split":
        // Gemma's, which splits at spaces when there are none left.
        if try plainPattern(of: fields) == " ", normalizer.removesSpaces { continue }
        steps.append(.pattern(try pattern(of: fields)))
      case "Metaspace" where alphabet != .bytes: steps.append(try metaspace(fields))
      case "ByteLevel":
        if try fields.boolean("add_prefix_space") { steps.append(.leadingSpace) }
        if try fields.boolean("use_regex", orElse: true) { steps.append(.pattern(.gpt2)) }
        isAtBytes = true
      case let type: throw .unsupported("the pre-tokenizer \(type.quotedForError)")
      }
    }
    guard isAtBytes == (alphabet == .bytes) else {
      throw .unsupported(
        isAtBytes
          ? "the pre-tokenizer ByteLevel without its decoder"
          : "a tokenizer without the pre-tokenizer ByteLevel")
    }
    return PreTokenizer(steps: steps)
  }

  private static func metaspace(
    _ fields: FieldReader
  ) throws(TokenizerFault) -> PreTokenizer.Step {
    let replacement = try fields.string("replacement")
    guard Array(replacement.utf8) == TokenAlphabet.space else {
      throw .unsupported("Metaspace with \(replacement.quotedForError)")
    }
    let splits = try fields.boolean("split", orElse: true)
    guard fields["prepend_scheme"] != nil else {
      // Files of older versions.
      let adds = try fields.boolean("add_prefix_space")
      return .metaspace(adds ? .always : .never, splits: splits)
    }
    let name = try fields.string("prepend_scheme")
    guard let scheme = PreTokenizer.Step.Prefix(rawValue: name) else {
      throw .unsupported("the prepend_scheme \(name.quotedForError)")
    }
    return .metaspace(scheme, splits: splits)
  }

  private static func pattern(of fields: FieldReader) throws(TokenizerFault) -> SplitPattern {
    guard let pattern = fields["pattern"],
      case .string(let text) = try FieldReader(pattern, "pattern")["Regex"]
    else { throw .unsupported("the pre-tokenizer Split without a regular expression") }
    guard let known = SplitPattern(text: text) else {
      throw .unsupported("the pattern \(text.quotedForError)")
    }
    let behavior = try fields.string("behavior")
    guard behavior == "Isolated" else {
      throw .unsupported("the pre-tokenizer Split with the behavior \(behavior.quotedForError)")
    }
    guard try !fields.boolean("invert", orElse: false) else {
      throw .unsupported("the pre-tokenizer Split with invert")
    }
    return known
  }
}

/// The special tokens that a tokenizer puts around every text.
struct TokenFrame: Sendable {
  private(set) var before: [Int32] = []
  private(set) var after: [Int32] = []

  /// Reads a post-processor.
  init(_ value: JSONValue?, tokenCount: Int) throws(TokenizerFault) {
    var hasTemplate = false
    for fields in try FieldReader.flatten(value, "post_processor", "processors") {
      switch try fields.type() {
      // It only trims offsets.
      case "ByteLevel": continue
      case "TemplateProcessing":
        guard !hasTemplate else { throw .unsupported("a second TemplateProcessing") }
        hasTemplate = true
        try readTemplate(fields, tokenCount)
      case let type: throw .unsupported("the post-processor \(type.quotedForError)")
      }
    }
  }

  private mutating func readTemplate(
    _ fields: FieldReader, _ tokenCount: Int
  ) throws(TokenizerFault) {
    let tokens = try fields.object("special_tokens")
    var hasText = false
    for value in try fields.array("single") {
      let piece = try FieldReader(value, "a piece of the template")
      if piece["Sequence"] != nil {
        guard !hasText, try piece.object("Sequence").string("id") == "A" else {
          throw .unsupported("a template with more than the text itself")
        }
        hasText = true
        continue
      }
      let name = try piece.object("SpecialToken").string("id")
      for value in try tokens.object(Name(name)).array("ids") {
        guard case .integer(let number) = value, number < UInt64(tokenCount) else {
          throw .invalid("the template's token \(name.quotedForError) has an id that is none")
        }
        let id = Int32(clamping: number)
        if hasText { after.append(id) } else { before.append(id) }
      }
    }
    guard hasText else { throw .invalid("the template has no place for the text") }
  }
}

/// Reads the tokens that stand beside the model's.
enum AddedTokenParsing {
  /// The added tokens; those that the model does not have are appended to the vocabulary.
  static func tokens(
    _ value: JSONValue?, addingTo vocabulary: inout BytePairVocabulary
  ) throws(TokenizerFault) -> [AddedToken] {
    guard let value, value != .null else { return [] }
    guard case .array(let values) = value else { throw .invalid("added_tokens is not a list") }
    var seen: Set<Int32> = []
    var tokens: [AddedToken] = []
    for value in values {
      let fields = try FieldReader(value, "an added token")
      let content = try fields.string("content")
      let id = try place(Array(content.utf8), fields["id"], in: &vocabulary)
      guard seen.insert(id).inserted else {
        throw .invalid("the added token \(content.quotedForError) is there twice")
      }
      tokens.append(
        AddedToken(
          id: id, text: Array(content.utf8), isSpecial: try fields.boolean("special"),
          isNormalized: try fields.boolean("normalized"),
          isSingleWord: try fields.boolean("single_word"),
          stripsLeft: try fields.boolean("lstrip"), stripsRight: try fields.boolean("rstrip")))
    }
    return tokens
  }

  /// The id of an added token, which is the model's or the next one that is free.
  private static func place(
    _ text: [UInt8], _ value: JSONValue?, in vocabulary: inout BytePairVocabulary
  ) throws(TokenizerFault) -> Int32 {
    let name = String(decoding: text, as: UTF8.self).quotedForError
    guard case .integer(let number) = value else {
      throw .invalid("the added token \(name) has no id")
    }
    guard !text.isEmpty else { throw .invalid("the added token \(number) has no text") }
    guard text.count <= AddedTokenMatcher.longestText else {
      throw .unsupported("an added token of more than \(AddedTokenMatcher.longestText) bytes")
    }
    let known = vocabulary.tokens.id(of: text[...])
    let id = known ?? vocabulary.tokens.count
    guard number == UInt64(id), let id = Int32(exactly: id) else {
      throw .invalid("the added token \(name) has the id \(number), but should have \(id)")
    }
    if known == nil { try vocabulary.tokens.append(text) }
    return id
  }
}

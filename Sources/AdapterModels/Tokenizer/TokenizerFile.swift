internal import StrictJSON

/// The contents of `tokenizer.json`, checked.
struct TokenizerFile {
  /// The largest file that is read: ten times the largest vocabulary in use.
  static let sizeLimit = 1 << 28
  private static let maximumDepth = 24

  let vocabulary: BytePairVocabulary
  let added: [AddedToken]
  let normalizer: TextNormalizer
  let preTokenizer: PreTokenizer
  let frame: TokenFrame

  /// Reads a document.
  init(_ bytes: [UInt8]) throws(TokenizerFault) {
    var fields: [Name: JSONValue] = [:]
    var model: ModelParsing?
    do throws(JSONError) {
      var reader = try JSONReader(bytes, maximumDepth: Self.maximumDepth)
      var keys = try reader.beginObject()
      while let key = try reader.nextKey(&keys) {
        switch key {
        case "model": model = try ModelParsing(&reader)
        case "version": try reader.skip()
        default: fields[key] = try JSONValue(parsing: &reader)
        }
      }
      try reader.finish()
    } catch {
      throw .json(error)
    }
    guard let model else { throw .invalid("it has no model") }
    for key in fields.keys.sorted() where !Self.knownKeys.contains(key) {
      throw .unsupported("the field \(key.text.quotedForError)")
    }
    try Self.checkLengths(fields["truncation"], fields["padding"])
    let alphabet = try TokenAlphabet(decoder: fields["decoder"])
    normalizer = try TextNormalizer(fields["normalizer"])
    preTokenizer = try Components.preTokenizer(
      fields["pre_tokenizer"], alphabet, after: normalizer)
    var vocabulary = try model.vocabulary(alphabet)
    added = try AddedTokenParsing.tokens(fields["added_tokens"], addingTo: &vocabulary)
    if normalizer.composes { try Self.checkComposed(added) }
    self.vocabulary = vocabulary
    frame = try TokenFrame(fields["post_processor"], tokenCount: vocabulary.tokens.count)
  }

  private static let knownKeys: Set<Name> = [
    "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor",
    "decoder",
  ]

  /// Refuses added tokens that are found by another text than their own: versions of the package
  /// disagree about what they decode to.
  private static func checkComposed(_ tokens: [AddedToken]) throws(TokenizerFault) {
    for token in tokens where token.isNormalized {
      var composed: [UInt8] = []
      Composition.append(token.text[...], to: &composed)
      guard composed == token.text else {
        let text = String(decoding: token.text, as: UTF8.self)
        throw .unsupported("the added token \(text.quotedForError), which NFC changes,")
      }
    }
  }

  /// Refuses what would cut a text or fill it up.
  private static func checkLengths(
    _ truncation: JSONValue?, _ padding: JSONValue?
  ) throws(TokenizerFault) {
    guard (truncation ?? .null) == .null else { throw .unsupported("truncation") }
    guard let padding, padding != .null else { return }
    let fields = try FieldReader(padding, "padding")
    // A text that is the longest of its batch, being alone, is not padded.
    guard fields["strategy"] == .string("BatchLongest"),
      (fields["pad_to_multiple_of"] ?? .null) == .null
    else { throw .unsupported("padding to a length") }
  }
}

/// The members of an object whose `type` says what it is.
struct FieldReader {
  private let members: [Name: JSONValue]
  private let place: String

  init(_ value: JSONValue, _ place: String) throws(TokenizerFault) {
    guard case .object(let list) = value else { throw .invalid("\(place) is not an object") }
    members = Dictionary(list.map { ($0.key, $0.value) }) { first, _ in first }
    self.place = place
  }

  subscript(key: Name) -> JSONValue? { members[key] }

  func type() throws(TokenizerFault) -> String { try string("type") }

  func string(_ key: Name) throws(TokenizerFault) -> String {
    guard case .string(let text) = members[key] else {
      throw .invalid("\(place) has no text \(key.text.quotedForError)")
    }
    return text
  }

  func boolean(_ key: Name, orElse value: Bool? = nil) throws(TokenizerFault) -> Bool {
    if case .boolean(let flag) = members[key] { return flag }
    guard members[key] == nil, let value else {
      throw .invalid("\(place) has no \(key.text.quotedForError) that is true or false")
    }
    return value
  }

  func array(_ key: Name) throws(TokenizerFault) -> [JSONValue] {
    guard case .array(let values) = members[key] else {
      throw .invalid("\(place) has no list \(key.text.quotedForError)")
    }
    return values
  }

  func object(_ key: Name) throws(TokenizerFault) -> FieldReader {
    guard let value = members[key] else {
      throw .invalid("\(place) has no \(key.text.quotedForError)")
    }
    return try FieldReader(value, "\(place)'s \(key.text.quotedForError)")
  }

  /// Every object that a value is made of, where `Sequence` objects hold others in a list.
  static func flatten(
    _ value: JSONValue?, _ place: String, _ list: Name
  ) throws(TokenizerFault) -> [FieldReader] {
    guard let value, value != .null else { return [] }
    let fields = try FieldReader(value, place)
    guard try fields.type() == "Sequence" else { return [fields] }
    var all: [FieldReader] = []
    // The reader's limit of depth is also a limit here.
    for value in try fields.array(list) { all += try flatten(value, place, list) }
    return all
  }
}

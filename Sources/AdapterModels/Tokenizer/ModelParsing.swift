internal import StrictJSON

/// The `model` of a tokenizer's file, as it is read.
struct ModelParsing {
  private var options: [Name: JSONValue] = [:]
  private var entries: VocabularyEntries?
  private var merges: Rules?

  /// The texts of the merges: two for each, or one that holds both with a space between.
  fileprivate struct Rules {
    var text: [UInt8] = []
    var ends: [Int] = []
    var sizes: [UInt8] = []
  }

  /// Reads the object.
  init(_ reader: inout JSONReader) throws(JSONError) {
    var keys = try reader.beginObject()
    while let key = try reader.nextKey(&keys) {
      switch key {
      // Other kinds of model have other things here; their type is refused later.
      case "vocab" where try reader.kind() == .object:
        entries = try Self.entries(&reader)
      case "merges" where try reader.kind() == .array: merges = try Self.rules(&reader)
      default: options[key] = try JSONValue(parsing: &reader)
      }
    }
  }

  private static func entries(_ reader: inout JSONReader) throws(JSONError) -> VocabularyEntries {
    var entries = VocabularyEntries()
    var keys = try reader.beginObject()
    while let key = try reader.nextKey(&keys) {
      entries.text.append(contentsOf: key.text.utf8)
      entries.ends.append(entries.text.count)
      entries.ids.append(try reader.integer())
    }
    return entries
  }

  private static func rules(_ reader: inout JSONReader) throws(JSONError) -> Rules {
    var rules = Rules()
    var elements = try reader.beginArray()
    while try reader.nextElement(&elements) {
      guard try reader.kind() == .array else {
        rules.append(try reader.string())
        rules.sizes.append(1)
        continue
      }
      var parts = try reader.beginArray()
      while try reader.nextElement(&parts) { rules.append(try reader.string()) }
      rules.sizes.append(UInt8(clamping: parts.count))
      guard parts.count == 2 else {
        throw JSONError(.expected("a pair of tokens"), at: reader.offset)
      }
    }
    return rules
  }

  /// Checks all of it and makes the vocabulary.
  func vocabulary(_ alphabet: TokenAlphabet) throws(TokenizerFault) -> BytePairVocabulary {
    try checkOptions(alphabet)
    guard let entries else { throw .invalid("the model has no vocab") }
    guard let merges else { throw .invalid("the model has no merges") }
    let tokens = try TokenTable(entries)
    var ignoresMerges = false
    if let value = options["ignore_merges"] {
      guard case .boolean(let flag) = value else {
        throw .invalid("ignore_merges is not a boolean")
      }
      ignoresMerges = flag
    }
    let vocabulary = BytePairVocabulary(
      tokens: tokens, alphabet: alphabet, merges: try Self.table(of: merges, tokens),
      ignoresMerges: ignoresMerges)
    guard alphabet == .bytes || !vocabulary.byteIDs.contains(-1) else {
      throw .unsupported("byte_fallback without a token for each byte")
    }
    return vocabulary
  }

  private func checkOptions(_ alphabet: TokenAlphabet) throws(TokenizerFault) {
    // Old files do not say the type; what has merges is this one.
    if let type = options["type"], type != .string("BPE") {
      guard case .string(let name) = type else {
        throw .invalid("the model's type is not a string")
      }
      throw .unsupported("the model \(name.quotedForError)")
    }
    for (key, value) in options.sorted(by: { $0.key < $1.key }) {
      switch key {
      case "type", "ignore_merges", "fuse_unk": continue
      case "dropout" where value == .integer(0): continue
      case "byte_fallback" where alphabet != .bytes:
        guard value == .boolean(true) else {
          throw .unsupported("a vocabulary of characters without byte_fallback")
        }
      // Every character has a token, or bytes that have.
      case "unk_token" where alphabet != .bytes: continue
      case "dropout", "unk_token", "byte_fallback", "continuing_subword_prefix",
        "end_of_word_suffix":
        guard
          value == .null || value == .boolean(false) || value == .string("") && key != "unk_token"
        else { throw .unsupported("the model's \(key.text)") }
      default: throw .unsupported("the model's field \(key.text.quotedForError)")
      }
    }
  }

  private static func table(
    of rules: Rules, _ tokens: TokenTable
  ) throws(TokenizerFault) -> MergeTable {
    var table = MergeTable(capacity: rules.sizes.count)
    var (place, start) = (0, 0)
    var joined: [UInt8] = []
    var guess = 0
    for (rank, size) in rules.sizes.enumerated() {
      var left = rules.text[start..<rules.ends[place]]
      let right: ArraySlice<UInt8>
      if size == 1 {
        guard let space = left.firstIndex(of: 0x20), !left[(space + 1)...].contains(0x20) else {
          throw .invalid("the merge \(rank) is not two tokens with a space between")
        }
        right = left[(space + 1)...]
        left = left[..<space]
      } else {
        right = rules.text[rules.ends[place]..<rules.ends[place + 1]]
        place += 1
      }
      start = rules.ends[place]
      place += 1
      guard let first = tokens.id(of: left), let second = tokens.id(of: right),
        !left.isEmpty, !right.isEmpty,
        let result = tokens.id(ofJoined: first, second, guess: guess, in: &joined)
      else {
        let pair = String(decoding: left + [0x20] + right, as: UTF8.self)
        throw .invalid("the merge \(rank), \(pair.quotedForError), names no tokens of the vocab")
      }
      guess = result + 1
      guard
        table.insert(
          Int32(clamping: first), Int32(clamping: second), rank: UInt32(clamping: rank),
          id: Int32(clamping: result))
      else { throw .invalid("the merge \(rank) is there twice") }
    }
    return table
  }
}

extension ModelParsing.Rules {
  fileprivate mutating func append(_ text: String) {
    self.text.append(contentsOf: text.utf8)
    ends.append(self.text.count)
  }
}

/// The patterns that split a text into words, each known by its exact text.
///
/// Each is a scanner of its own: a regular expression engine would take longer to start than
/// the rest of the program.
enum SplitPattern: Sendable, CaseIterable {
  case gpt2, bloom, llama3, qwen2

  /// The pattern as files write it.
  var text: String {
    switch self {
    case .gpt2:
      #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
    case .bloom: #" ?[^(\s|[.,!?…。，、।۔،])]+"#
    case .llama3: Self.tiktoken(digits: #"\p{N}{1,3}"#)
    case .qwen2: Self.tiktoken(digits: #"\p{N}"#)
    }
  }

  private static func tiktoken(digits: String) -> String {
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"# + digits
      + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  }

  /// Finds the pattern that is written like this.
  init?(text: String) {
    let known = Self.allCases.first { $0.text.utf8.elementsEqual(text.utf8) }
    guard let known else { return nil }
    self = known
  }

  /// Appends the parts of a piece, none of them empty.
  func split(_ text: [UInt8], _ piece: Range<Int>, into parts: inout [TextPart]) {
    var scanner = PieceScanner(text, piece)
    while !scanner.isAtEnd {
      let start = scanner.index
      switch self {
      case .gpt2: scanner.index = scanner.endOfGPT2Word()
      case .bloom: scanner.index = scanner.endOfBLOOMWord()
      case .llama3: scanner.index = scanner.endOfTiktokenWord(digits: 3)
      case .qwen2: scanner.index = scanner.endOfTiktokenWord(digits: 1)
      }
      parts.append(.text(start..<scanner.index))
    }
  }
}

extension PieceScanner {
  /// A contraction, or a run of letters, of digits or of signs with a space before it, or white space.
  fileprivate func endOfGPT2Word() -> Int {
    if let end = endOfContraction(from: index, anyCase: false) { return end }
    let start = has(0x20, at: index) ? index + 1 : index
    if let (kind, next) = kind(at: start), !kind.isSpace { return endOfRun(kind, from: next) }
    return endOfSpace(whiteSpace(from: index), from: index)
  }

  /// A run of what is neither white space nor in BLOOM's list, with a space before it, or what is between
  /// two such runs.
  fileprivate func endOfBLOOMWord() -> Int {
    var place = index
    while place < end, !beginsBLOOMWord(at: place) {
      place += Scalars.decode(text, at: place).count
    }
    guard place == index else { return place }
    if has(0x20, at: place) { place += 1 }
    while place < end, isBLOOMWord(at: place) { place += Scalars.decode(text, at: place).count }
    return place
  }

  private func beginsBLOOMWord(at place: Int) -> Bool {
    isBLOOMWord(at: place)
      || has(0x20, at: place) && place + 1 < end && isBLOOMWord(at: place + 1)
  }

  private func isBLOOMWord(at place: Int) -> Bool {
    let scalar = Scalars.decode(text, at: place).scalar
    switch scalar {
    // The brackets and the bar stand in a list of characters, and mean themselves there.
    case "(", ")", "|", ".", ",", "!", "?", "…", "。", "，", "、", "।", "۔", "،": return false
    default: return !CharacterKind(scalar).isSpace
    }
  }

  /// Returns the end of a match of the patterns of Llama 3 and Qwen2; they differ in how many digits stay together.
  fileprivate func endOfTiktokenWord(digits: Int) -> Int {
    if let end = endOfContraction(from: index, anyCase: true) { return end }
    guard let (first, next) = kind(at: index) else { return end }
    if first == .letter { return endOfRun(.letter, from: next) }
    if first == .number { return endOfRun(.number, from: index, atMost: digits) }
    // Any one sign or space but a line end belongs to the letters after it.
    if first != .newline, let (second, third) = kind(at: next), second == .letter {
      return endOfRun(.letter, from: third)
    }
    let start = has(0x20, at: index) ? next : index
    if let (kind, next) = kind(at: start), kind == .other {
      return endOfRun(.newline, from: endOfRun(.other, from: next))
    }
    let space = whiteSpace(from: index)
    return space.afterNewline ?? endOfSpace(space, from: index)
  }
}

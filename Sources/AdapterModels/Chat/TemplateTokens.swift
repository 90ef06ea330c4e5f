/// A word of an expression in a template.
enum TemplateToken: Equatable, Sendable {
  case name(String)
  case text([UInt8])
  case integer(Int)
  case sign(String)
}

/// A template cut at its tags, white space taken away as transformers sets the language up: a line that holds a
/// block alone leaves nothing behind.
enum TemplatePiece {
  case text([UInt8])
  /// `{{ … }}`
  case output([TemplateToken])
  /// `{% … %}`
  case block([TemplateToken])
}

/// Cuts a template into pieces.
struct TemplateScanner {
  private let bytes: [UInt8]
  private var place = 0
  private var pieces: [TemplatePiece] = []

  /// Larger ones are refused.
  static let sizeLimit = 1 << 18

  static func pieces(of template: [UInt8]) throws(TemplateFault) -> [TemplatePiece] {
    guard template.count <= sizeLimit else {
      throw TemplateFault("\(template.count) bytes are too many for a template")
    }
    var scanner = Self(template)
    try scanner.scan()
    return scanner.pieces
  }

  private init(_ template: [UInt8]) {
    var lines: [UInt8] = []
    for (index, byte) in template.enumerated() {
      if byte == UInt8(ascii: "\n"), index > 0, template[index - 1] == UInt8(ascii: "\r") {
        continue
      }
      lines.append(byte == UInt8(ascii: "\r") ? UInt8(ascii: "\n") : byte)
    }
    if lines.last == UInt8(ascii: "\n") { lines.removeLast() }
    bytes = lines
  }

  private func byte(_ index: Int) -> UInt8 { index < bytes.count ? bytes[index] : 0 }
  private func has(_ text: String, at index: Int) -> Bool {
    bytes[min(index, bytes.count)...].starts(with: text.utf8)
  }

  private mutating func scan() throws(TemplateFault) {
    while place < bytes.count {
      let start = place
      while place < bytes.count, !["{{", "{%", "{#"].contains(where: { has($0, at: place) }) {
        place += 1
      }
      var end = place
      let opening = byte(place + 1)
      let mark = byte(place + 2)
      if place < bytes.count, mark == UInt8(ascii: "-") {
        while end > start, bytes[end - 1].isSpace { end -= 1 }
      } else if place < bytes.count, mark != UInt8(ascii: "+"), opening != UInt8(ascii: "{") {
        // White space between the beginning of the line and a block goes, too.
        var line = end
        while line > start, bytes[line - 1].isSpace, bytes[line - 1] != UInt8(ascii: "\n") {
          line -= 1
        }
        if line == 0 || bytes[line - 1] == UInt8(ascii: "\n") { end = line }
      }
      if end > start { pieces.append(.text(Array(bytes[start..<end]))) }
      guard place < bytes.count else { return }
      place += 2
      if mark == UInt8(ascii: "-") || mark == UInt8(ascii: "+") { place += 1 }
      switch opening {
      case UInt8(ascii: "#"): try skipComment()
      case UInt8(ascii: "%"): pieces.append(.block(try tokens(until: "%}")))
      default: pieces.append(.output(try tokens(until: "}}")))
      }
    }
  }

  private mutating func skipComment() throws(TemplateFault) {
    while !has("#}", at: place) {
      guard place < bytes.count else { throw TemplateFault("a comment without an end") }
      place += 1
    }
    let mark = byte(place - 1)
    place += 2
    trim(after: mark, isBlock: true)
  }

  /// Takes the white space after a tag away, as its last sign says.
  private mutating func trim(after mark: UInt8, isBlock: Bool) {
    if mark == UInt8(ascii: "-") {
      while place < bytes.count, bytes[place].isSpace { place += 1 }
    } else if isBlock, mark != UInt8(ascii: "+"), byte(place) == UInt8(ascii: "\n") {
      place += 1
    }
  }

  private mutating func tokens(until end: String) throws(TemplateFault) -> [TemplateToken] {
    var tokens: [TemplateToken] = []
    var nesting = 0
    let isBlock = end == "%}"
    while place < bytes.count {
      if nesting == 0 {
        for mark in [UInt8(ascii: "-"), UInt8(ascii: "+")] where byte(place) == mark {
          guard has(end, at: place + 1), isBlock || mark == UInt8(ascii: "-") else { continue }
          place += 3
          trim(after: mark, isBlock: isBlock)
          return tokens
        }
        if has(end, at: place) {
          place += 2
          trim(after: 0, isBlock: isBlock)
          return tokens
        }
      }
      guard let token = try token() else { continue }
      if case .sign(let sign) = token {
        if ["(", "[", "{"].contains(sign) { nesting += 1 }
        if [")", "]", "}"].contains(sign) { nesting -= 1 }
      }
      tokens.append(token)
    }
    throw TemplateFault("a tag without an end")
  }

  private mutating func token() throws(TemplateFault) -> TemplateToken? {
    let first = bytes[place]
    let start = place
    switch first {
    case _ where first.isSpace:
      place += 1
      return nil
    case UInt8(ascii: "'"), UInt8(ascii: "\""): return .text(try literal(quote: first))
    case UInt8(ascii: "0")...UInt8(ascii: "9"):
      while byte(place).isWord { place += 1 }
      let digits = String(decoding: bytes[start..<place], as: UTF8.self)
      guard let value = Int(digits) else {
        throw .unsupported("the number \(digits.quotedForError)")
      }
      return .integer(value)
    case _ where first.isWord:
      while byte(place).isWord { place += 1 }
      return .name(String(decoding: bytes[start..<place], as: UTF8.self))
    default:
      let pair = ["==", "!=", "<=", ">=", "//", "**"].first { has($0, at: place) }
      let text = pair ?? String(decoding: [first], as: UTF8.self)
      guard first < 0x80 else { throw .unsupported("a sign outside of texts") }
      place += text.utf8.count
      return .sign(text)
    }
  }

  /// A text between quotes.
  private mutating func literal(quote: UInt8) throws(TemplateFault) -> [UInt8] {
    var text: [UInt8] = []
    place += 1
    while place < bytes.count {
      let next = bytes[place]
      place += 1
      if next == quote { return text }
      guard next == UInt8(ascii: "\\") else {
        text.append(next)
        continue
      }
      let escaped = byte(place)
      place += 1
      switch escaped {
      case UInt8(ascii: "n"): text.append(UInt8(ascii: "\n"))
      case UInt8(ascii: "t"): text.append(UInt8(ascii: "\t"))
      case UInt8(ascii: "r"): text.append(UInt8(ascii: "\r"))
      case UInt8(ascii: "\\"), UInt8(ascii: "'"), UInt8(ascii: "\""): text.append(escaped)
      case UInt8(ascii: "u"):
        let digits = String(
          decoding: bytes[min(place, bytes.count)..<min(place + 4, bytes.count)], as: UTF8.self)
        guard let value = UInt32(digits, radix: 16), let scalar = Unicode.Scalar(value) else {
          throw TemplateFault("a character \\u\(digits.quotedForError)")
        }
        text += Array(String(scalar).utf8)
        place += 4
      default: throw .unsupported("the escape \\\(String(Unicode.Scalar(escaped)))")
      }
    }
    throw TemplateFault("a text without an end")
  }
}

extension UInt8 {
  /// White space of ASCII.
  var isSpace: Bool { self == 0x20 || (0x09...0x0D).contains(self) || (0x1C...0x1F).contains(self) }

  fileprivate var isWord: Bool {
    switch self {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
      true
    default: false
    }
  }
}

/// Markup, written as a string literal. What is interpolated is escaped unless it is markup itself, so that no text can
/// come into a page as anything but text.
struct HTML: Sendable, ExpressibleByStringInterpolation {
  /// The markup.
  private(set) var text: String

  /// Markup that is a part of the program.
  init(stringLiteral markup: String) { text = markup }

  init(stringInterpolation parts: StringInterpolation) { text = parts.text }

  /// A style sheet that is a part of the program.
  init(style: [UInt8]) { text = String(decoding: style, as: UTF8.self) }

  /// Nothing.
  static let none: HTML = ""

  struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var text = ""

    init(literalCapacity: Int, interpolationCount: Int) { text.reserveCapacity(literalCapacity) }

    mutating func appendLiteral(_ markup: String) { text += markup }

    /// Markup as it is.
    mutating func appendInterpolation(_ markup: HTML) { text += markup.text }

    /// One after the other, each on a line of its own.
    mutating func appendInterpolation(lines: [HTML]) {
      text += lines.map(\.text).joined(separator: "\n")
    }

    /// One after the other.
    mutating func appendInterpolation(_ all: [HTML]) {
      for markup in all { text += markup.text }
    }

    mutating func appendInterpolation(_ text: Shown) { appendInterpolation(text.description) }

    mutating func appendInterpolation(_ number: Int) { text += String(number) }

    /// Text: what could be markup in it is written as a reference.
    mutating func appendInterpolation(_ shown: String) {
      for scalar in shown.unicodeScalars {
        switch scalar {
        case "<": text += "&lt;"
        case ">": text += "&gt;"
        case "&": text += "&amp;"
        case "\"": text += "&quot;"
        case "'": text += "&#39;"
        default: text.unicodeScalars.append(scalar)
        }
      }
    }
  }
}

extension HTML {
  /// Markup where something holds, else nothing.
  static func when(_ condition: Bool, _ markup: HTML) -> HTML { condition ? markup : .none }

  /// Markup of a value that is there, else nothing.
  static func with<Value>(_ value: Value?, _ markup: (Value) -> HTML) -> HTML {
    value.map(markup) ?? .none
  }
}

/// A part of a page with a heading, which the list of sections leads to.
struct PageSection: Sendable {
  /// Where the link leads.
  let anchor: String
  let heading: Shown
  /// The markup below the heading.
  let content: HTML

  var markup: HTML {
    """
    <section aria-labelledby="\(anchor)">
    <h2 id="\(anchor)">\(heading)</h2>
    \(content)
    </section>

    """
  }

  var link: HTML { ##"<li><a href="#\##(anchor)">\##(heading)</a></li>"## }
}

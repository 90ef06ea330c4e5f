/// Why a template cannot be rendered: a reason that follows after its name and a colon.
struct TemplateFault: Error, Equatable {
  let reason: String

  init(_ reason: String) { self.reason = reason }

  /// The template asks for what is not implemented here.
  static func unsupported(_ what: String) -> Self { Self("\(what) is not supported") }
}

/// A value of a template's language. Texts are UTF-8 bytes: Swift's strings hold texts equal that are not the same.
enum TemplateValue {
  /// Nothing has this name.
  case undefined(String)
  case none
  case boolean(Bool)
  case integer(Int)
  case text([UInt8])
  case list([TemplateValue])
  case map([String: TemplateValue])
  /// The one kind of value that changes after it was made.
  case namespace(TemplateNamespace)
  /// A function that the template may call, by its name.
  case function(String)

  static func text(_ string: String) -> Self { .text(Array(string.utf8)) }
}

/// The result of `namespace()`: variables that outlive the loop in which they are set.
final class TemplateNamespace {
  var members: [String: TemplateValue]

  init(_ members: [String: TemplateValue]) { self.members = members }
}

extension TemplateValue {
  /// True if a condition with this value holds.
  var isTrue: Bool {
    switch self {
    case .undefined, .none: false
    case .boolean(let value): value
    case .integer(let value): value != 0
    case .text(let bytes): !bytes.isEmpty
    case .list(let values): !values.isEmpty
    case .map(let members): !members.isEmpty
    case .namespace, .function: true
    }
  }

  var isDefined: Bool { if case .undefined = self { false } else { true } }

  /// Its kind, for errors.
  var kind: String {
    switch self {
    case .undefined(let name): "\(name.quotedForError), which is undefined"
    case .none: "none"
    case .boolean: "a truth value"
    case .integer: "a number"
    case .text: "a text"
    case .list: "a list"
    case .map: "a mapping"
    case .namespace: "a namespace"
    case .function(let name): "the function \(name)"
    }
  }

  /// How it is written into the result.
  func written() throws(TemplateFault) -> [UInt8] {
    switch self {
    case .undefined: []
    case .none: Array("None".utf8)
    case .boolean(let value): Array((value ? "True" : "False").utf8)
    case .integer(let value): Array(String(value).utf8)
    case .text(let bytes): bytes
    case .list, .map, .namespace, .function: throw .unsupported("writing \(kind)")
    }
  }

  /// As a number; truth values are 0 and 1.
  var number: Int? {
    switch self {
    case .boolean(let value): value ? 1 : 0
    case .integer(let value): value
    default: nil
    }
  }

  func text(for what: String) throws(TemplateFault) -> [UInt8] {
    guard case .text(let bytes) = self else { throw TemplateFault("\(what) of \(kind)") }
    return bytes
  }

  func number(for what: String) throws(TemplateFault) -> Int {
    guard let number else { throw TemplateFault("\(what) of \(kind)") }
    return number
  }
}

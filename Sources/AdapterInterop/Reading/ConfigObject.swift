internal import AdapterFormat
internal import StrictJSON

/// The fields of a configuration with typed access.
struct ConfigObject {
  /// The file that it is, for errors.
  let file: String
  private let fields: [Name: JSONValue]

  /// - Throws: `InteropError` where the value is not an object.
  init(_ value: JSONValue, of file: String) throws(InteropError) {
    guard case .object(let members) = value else {
      throw InteropError(.malformed, at: .field("the whole", of: file), "is not an object")
    }
    self.file = file
    fields = Dictionary(members.map { ($0.key, $0.value) }) { first, _ in first }
  }

  /// A field's value; nil where it is missing or null.
  subscript(_ field: Name) -> JSONValue? { fields[field].flatMap { $0 == .null ? nil : $0 } }

  /// An error of a field.
  func fault(_ field: Name, _ reason: String) -> InteropError {
    InteropError(.malformed, at: .field(field, of: file), reason)
  }

  /// A text; nil where there is none.
  func text(_ field: Name) throws(InteropError) -> String? {
    switch self[field] {
    case nil: return nil
    case .string(let text): return text
    default: throw fault(field, "is not a text")
    }
  }

  /// A finite number; nil where there is none.
  func number(_ field: Name) throws(InteropError) -> Double? {
    guard let value = self[field] else { return nil }
    guard let number = value.double, number.isFinite else {
      throw fault(field, "is not a number")
    }
    return number
  }

  /// An integer of at most 31 bits; nil where there is none.
  func integer(_ field: Name) throws(InteropError) -> Int? {
    guard let number = try number(field) else { return nil }
    guard let integer = Int32(exactly: number) else { throw fault(field, "is not an integer") }
    return Int(integer)
  }

  /// Texts of a list; nil where there is none.
  func texts(_ field: Name) throws(InteropError) -> [String]? {
    guard let value = self[field] else { return nil }
    guard case .array(let values) = value else { throw fault(field, "is not a list") }
    var texts: [String] = []
    for value in values {
      guard case .string(let text) = value else { throw fault(field, "is not a list of texts") }
      texts.append(text)
    }
    return texts
  }

  /// An object in a field; nil where there is none.
  func object(_ field: Name) throws(InteropError) -> ConfigObject? {
    guard let value = self[field] else { return nil }
    guard case .object = value else { throw fault(field, "is not an object") }
    return try ConfigObject(value, of: file)
  }
}

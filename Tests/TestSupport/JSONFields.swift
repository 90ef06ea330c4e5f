package import StrictJSON

/// A JSON value is another than a fixture or an output should have.
private struct Mismatch: Error {
  let wanted: String
  let found: JSONValue?
}

/// The members of a JSON object.
package struct JSONFields {
  private let members: [JSONValue.Member]

  /// Parses an object.
  package init(_ bytes: [UInt8]) throws {
    try self.init(JSONValue(document: bytes, maximumDepth: 16))
  }

  /// A value that is an object.
  package init(_ value: JSONValue) throws {
    members = try value.members
  }

  /// A member's value.
  package subscript(_ key: String) -> JSONValue? {
    members.first { $0.key == Name(key) }?.value
  }

  /// The keys.
  package var keys: [String] { members.map(\.key.text) }

  /// A string.
  package func string(_ key: String) throws -> String {
    guard case .string(let text) = self[key] else {
      throw Mismatch(wanted: "string \(key)", found: self[key])
    }
    return text
  }

  /// The elements of an array.
  package func array(_ key: String) throws -> [JSONValue] {
    guard case .array(let elements) = self[key] else {
      throw Mismatch(wanted: "array \(key)", found: self[key])
    }
    return elements
  }

  /// An array of strings.
  package func strings(_ key: String) throws -> [String] {
    try array(key).compactMap { if case .string(let text) = $0 { text } else { nil } }
  }

  /// A member that is an object, by key; an empty one where there is none.
  package func object(_ key: String) throws -> [String: JSONValue] {
    guard case .object(let members) = self[key] else { return [:] }
    return Dictionary(members.map { ($0.key.text, $0.value) }, uniquingKeysWith: { $1 })
  }

  /// A member that is an array of numbers; an empty one where there is none.
  package func numbers(_ key: String) -> [Double] {
    guard case .array(let values) = self[key] else { return [] }
    return values.compactMap(\.double)
  }
}

extension JSONValue {
  /// The elements, where it is an array.
  package var elements: [JSONValue] {
    get throws {
      guard case .array(let elements) = self else { throw Mismatch(wanted: "array", found: self) }
      return elements
    }
  }

  /// The members, where it is an object.
  package var members: [Member] {
    get throws {
      guard case .object(let members) = self else { throw Mismatch(wanted: "object", found: self) }
      return members
    }
  }
}

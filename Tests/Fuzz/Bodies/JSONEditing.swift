import StrictJSON

extension JSONValue {
  /// A member of an object; nil where there is none, or it is no object.
  func member(_ key: Name) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.key == key }?.value
  }

  /// The object with another value of a member, which is made where it is not there.
  func setting(_ key: Name, to value: JSONValue) -> JSONValue {
    guard case .object(var members) = self else { return self }
    if let index = members.firstIndex(where: { $0.key == key }) {
      members[index] = Member(key, value)
    } else {
      members.append(Member(key, value))
    }
    return .object(members)
  }

  /// The object with a member changed, where it is there.
  func changing(_ key: Name, _ body: (JSONValue) -> JSONValue) -> JSONValue {
    member(key).map { setting(key, to: body($0)) } ?? self
  }

  /// The array with every element changed.
  func mapElements(_ body: (JSONValue) -> JSONValue) -> JSONValue {
    guard case .array(let values) = self else { return self }
    return .array(values.map(body))
  }

  var elements: [JSONValue] { if case .array(let values) = self { values } else { [] } }
  var text: String? { if case .string(let text) = self { text } else { nil } }
  var integer: UInt64? { if case .integer(let number) = self { number } else { nil } }

  /// The document's text, compact.
  var bytes: [UInt8] {
    var writer = JSONWriter()
    writer.value(self)
    return writer.bytes
  }
}

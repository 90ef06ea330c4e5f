internal import Operations
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// The fields of a model's `config.json`, with their types checked.
struct DecoderConfig {
  let path: FilePath
  private let members: [JSONValue.Member]

  /// Reads the configuration beside a model's weights.
  init(_ path: FilePath) throws {
    self.path = path
    let contents: [UInt8]?
    do {
      contents = try File(path).contents(limit: 1 << 20)
    } catch {
      throw AdapterError.config(path, "cannot be read: a model runs by its config.json")
    }
    guard let bytes = contents else { throw AdapterError.config(path, "is larger than 1 MiB") }
    let value: JSONValue
    do {
      value = try JSONValue(document: bytes, maximumDepth: 32)
    } catch {
      throw AdapterError.config(path, "\(error)")
    }
    guard case .object(let members) = value else {
      throw AdapterError.config(path, "is no JSON object")
    }
    self.members = members
  }

  private init(path: FilePath, members: [JSONValue.Member]) {
    self.path = path
    self.members = members
  }

  private func value(_ key: Name) -> JSONValue? {
    let value = members.first { $0.key == key }?.value
    return value == .null ? nil : value
  }

  /// Returns true if it has a key, even with a null value.
  func has(_ key: Name) -> Bool { members.contains { $0.key == key } }

  /// A count, from 1, or 0 if asked for, to 2^31; nil where there is none.
  func count(_ keys: Name..., atLeast minimum: UInt64 = 1) throws -> Int? {
    for key in keys {
      switch value(key) {
      case nil: continue
      case .integer(let value)? where value >= minimum && value < 1 << 31: return Int(value)
      default: throw AdapterError.config(path, "\"\(key)\" is not a count")
      }
    }
    return nil
  }

  /// A count that has to be there.
  func neededCount(_ keys: Name...) throws -> Int {
    for key in keys { if let value = try count(key) { return value } }
    throw AdapterError.config(path, "lacks \"\(keys.first?.text ?? "")\"")
  }

  /// A number; nil where there is none.
  func number(_ key: Name) throws -> Double? {
    switch value(key) {
    case nil: return nil
    case .integer(let value)?: return Double(value)
    case .number(let value)?: return value
    default: throw AdapterError.config(path, "\"\(key)\" is not a number")
    }
  }

  /// A flag; nil where there is none.
  func flag(_ key: Name) throws -> Bool? {
    switch value(key) {
    case nil: return nil
    case .boolean(let value)?: return value
    default: throw AdapterError.config(path, "\"\(key)\" is neither true nor false")
    }
  }

  /// A text; nil where there is none.
  func text(_ key: Name) throws -> String? {
    switch value(key) {
    case nil: return nil
    case .string(let value)?: return value
    default: throw AdapterError.config(path, "\"\(key)\" is not a text")
    }
  }

  /// A list of texts; nil where there is none.
  func texts(_ key: Name) throws -> [String]? {
    try list(key) { value in if case .string(let text) = value { text } else { nil } }
  }

  /// A list of numbers; nil where there is none.
  func numbers(_ key: Name) throws -> [Double]? { try list(key, \.double) }

  private func list<Value>(_ key: Name, _ element: (JSONValue) -> Value?) throws -> [Value]? {
    guard let value = value(key) else { return nil }
    guard case .array(let values) = value, case let elements = values.compactMap(element),
      elements.count == values.count
    else { throw AdapterError.config(path, "\"\(key)\" is not a list as it should be") }
    return elements
  }

  /// Returns true if it has the same fields as another.
  func agrees(with other: DecoderConfig) -> Bool { Set(members) == Set(other.members) }

  /// The keys that it has.
  var keys: [Name] { members.map(\.key) }

  /// Identifiers of tokens: one, several, or with null none; nil where there is no such key.
  func tokens(_ key: Name) throws -> [Int32]? {
    let values: [JSONValue]
    switch members.first(where: { $0.key == key })?.value {
    case nil: return nil
    case .null?: values = []
    case .array(let all)?: values = all
    case let value?: values = [value]
    }
    var tokens: [Int32] = []
    for value in values {
      guard case .integer(let id) = value, let token = Int32(exactly: id) else {
        throw AdapterError.config(path, "\"\(key)\" is not a token")
      }
      tokens.append(token)
    }
    return tokens
  }

  /// An object of its own; nil where there is none.
  func object(_ key: Name) throws -> DecoderConfig? {
    switch value(key) {
    case nil: return nil
    case .object(let members)?: return DecoderConfig(path: path, members: members)
    default: throw AdapterError.config(path, "\"\(key)\" is not an object")
    }
  }

  /// Refuses flags that would change what is computed in a way that is not known here.
  func refuse(flags: Name...) throws {
    for key in flags { try refuse(key, unless: try flag(key) != true) }
  }

  /// Refuses a text other than these; none is the family's own.
  func refuse(_ key: Name, unlessIn known: Set<String>) throws {
    guard let text = try text(key) else { return }
    try refuse(key, unless: known.contains(text))
  }

  /// Refuses a value that this version does not know.
  func refuse(_ key: Name, unless isKnown: Bool) throws {
    guard !isKnown else { return }
    throw AdapterError.config(path, "\"\(key)\" has a value that cannot be run here")
  }
}

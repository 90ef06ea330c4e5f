/// A JSON value of a small document whose fields are not all known in advance.
public enum JSONValue: Hashable, Sendable {
  /// `null`.
  case null
  /// `true` or `false`.
  case boolean(Bool)
  /// An integer from 0 to 2^53 − 1.
  case integer(UInt64)
  /// Any other number.
  case number(Double)
  /// A string.
  case string(String)
  /// An array.
  case array([JSONValue])
  /// An object, in the order of its text.
  case object([Member])

  /// One key and its value.
  public struct Member: Hashable, Sendable {
    /// The key.
    public let key: Name
    /// Its value.
    public let value: JSONValue

    /// Pairs a key with a value.
    public init(_ key: Name, _ value: JSONValue) {
      self.key = key
      self.value = value
    }
  }

  /// Reads a whole document of at most 2^20 values.
  ///
  /// - Throws: `JSONError` where it is not one value of the strict profile, or of more.
  public init(document bytes: [UInt8], maximumDepth: Int) throws(JSONError) {
    var reader = try JSONReader(bytes, maximumDepth: maximumDepth)
    reader.remainingValues = 1 << 20
    self = try JSONValue(parsing: &reader)
    try reader.finish()
  }

  /// Reads the next value of a document.
  public init(parsing reader: inout JSONReader) throws(JSONError) {
    try reader.countValue()
    switch try reader.kind() {
    case .null:
      try reader.null()
      self = .null
    case .boolean: self = .boolean(try reader.boolean())
    case .string: self = .string(try reader.string())
    case .number:
      switch try reader.number() {
      case .integer(let value): self = .integer(value)
      case .other(let value): self = .number(value)
      }
    case .array:
      var values: [JSONValue] = []
      var elements = try reader.beginArray()
      while try reader.nextElement(&elements) {
        // A large array is not moved while it grows, which would take its memory twice: an element and
        // its comma are two bytes at least.
        if values.count == 1 << 16 {
          values.reserveCapacity(values.count + min(reader.remainingByteCount / 2 + 1, 1 << 23))
        }
        values.append(try JSONValue(parsing: &reader))
      }
      let hasRoom = values.count > 1 << 16 && values.capacity / 2 > values.count
      self = .array(hasRoom ? values.map(\.self) : values)
    case .object:
      var members: [Member] = []
      var keys = try reader.beginObject()
      while let key = try reader.nextKey(&keys) {
        members.append(Member(key, try JSONValue(parsing: &reader)))
      }
      self = .object(members)
    }
  }

  /// The value as a double, where it is a number.
  public var double: Double? {
    switch self {
    case .integer(let value): Double(value)
    case .number(let value): value
    default: nil
    }
  }

  /// How many values it is made of: itself, its elements or members, and theirs.
  package var count: Int {
    switch self {
    case .array(let values): values.reduce(1) { $0 + $1.count }
    case .object(let members): members.reduce(1) { $0 + $1.value.count }
    case .null, .boolean, .integer, .number, .string: 1
    }
  }

  /// True if it is null, false, or an empty string, array or object.
  public var isEmpty: Bool {
    switch self {
    case .null, .boolean(false), .string(""), .array([]), .object([]): true
    default: false
    }
  }
}

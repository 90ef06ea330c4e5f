internal import Storage
internal import StrictJSON

/// The fields of one object of the manifest: its keys in turn, and errors that name the object.
struct ObjectFields {
  private let what: String
  private var keys: JSONReader.Keys

  init(_ reader: inout JSONReader, _ what: String) throws(FormatError) {
    self.what = what
    keys = try parsing { () throws(JSONError) in try reader.beginObject() }
  }

  mutating func next(_ reader: inout JSONReader) throws(FormatError) -> Name? {
    do throws(JSONError) {
      return try reader.nextKey(&keys)
    } catch {
      throw .json(error)
    }
  }

  /// A required field's value ([MAN-1]).
  func require<Value>(_ value: Value?, _ key: String) throws(FormatError) -> Value {
    guard let value else { throw .manifest("\(what) has no \"\(key)\"") }
    return value
  }

  func string(_ reader: inout JSONReader) throws(FormatError) -> String {
    try parsing { () throws(JSONError) in try reader.string() }
  }

  func integer(_ reader: inout JSONReader) throws(FormatError) -> UInt64 {
    try parsing { () throws(JSONError) in try reader.integer() }
  }

  /// Reads past the value of a key that means something elsewhere, or is kept in another way.
  func skip(_ reader: inout JSONReader) throws(FormatError) {
    try parsing { () throws(JSONError) in try reader.skip() }
  }

  /// Reads past the value of an unknown key ([MAN-7]), and has it remembered.
  func ignore(_ key: Name, _ reader: inout JSONReader) throws(FormatError) {
    let what = what
    try parsing { () throws(JSONError) in try reader.ignore("key \"\(key)\" in \(what)") }
  }

  func name(_ reader: inout JSONReader) throws(FormatError) -> Name {
    Name(try string(&reader))
  }

  /// A SHA-256 in hexadecimal ([DIG-1]).
  func digest(_ reader: inout JSONReader) throws(FormatError) -> Digest {
    guard let digest = Digest(hexadecimal: try string(&reader)) else {
      throw .manifest("\(what): a digest is 64 lower-case hexadecimal digits")
    }
    return digest
  }

  func shape(_ reader: inout JSONReader) throws(FormatError) -> Shape {
    let dimensions = try parseArray(&reader) { reader throws(FormatError) in
      try parsing { () throws(JSONError) in try reader.integer() }
    }
    guard let shape = Shape(dimensions) else {
      throw .manifest("\(what) has a shape of more than 2^53 - 1 elements")
    }
    return shape
  }
}

/// Reads an array, each element by `element`.
func parseArray<Element>(
  _ reader: inout JSONReader,
  _ element: (inout JSONReader) throws(FormatError) -> Element
) throws(FormatError) -> [Element] {
  var elements = try parsing { () throws(JSONError) in try reader.beginArray() }
  var values: [Element] = []
  while try nextElement(&reader, &elements) { values.append(try element(&reader)) }
  return values
}

/// Returns true if another element follows.
func nextElement(
  _ reader: inout JSONReader, _ elements: inout JSONReader.Elements
) throws(FormatError) -> Bool {
  do throws(JSONError) {
    return try reader.nextElement(&elements)
  } catch {
    throw .json(error)
  }
}

func parseStrings(_ reader: inout JSONReader) throws(FormatError) -> [String] {
  try parseArray(&reader) { reader throws(FormatError) in
    try parsing { () throws(JSONError) in try reader.string() }
  }
}

func parseNames(_ reader: inout JSONReader) throws(FormatError) -> [Name] {
  try parseStrings(&reader).map { Name($0) }
}

extension JSONWriter {
  /// Writes a member whose value is a string.
  mutating func member(_ key: Name, _ value: String) {
    self.key(key)
    string(value)
  }

  /// Writes a member whose value is an array of names.
  mutating func member(_ key: Name, _ names: [Name]) {
    self.key(key)
    array { writer in for name in names { writer.string(name.text) } }
  }

  /// Writes a member whose value is a shape.
  mutating func member(_ key: Name, _ shape: Shape) {
    self.key(key)
    array { writer in for dimension in shape.dimensions { writer.integer(dimension) } }
  }
}

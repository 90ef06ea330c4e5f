extension JSONWriter {
  /// Copies the next value of a document, in this writer's style. Numbers keep their spelling, so that
  /// copying a compact document back gives its text again.
  ///
  /// - Throws: `JSONError` where the value is not well formed.
  package mutating func copy(_ reader: inout JSONReader) throws(JSONError) {
    switch try reader.kind() {
    case .object: try object { writer throws(JSONError) in try writer.copyMembers(&reader) }
    case .array:
      if try Self.fitsOneLine(reader) {
        try row { writer throws(JSONError) in try writer.copyElements(&reader) }
      } else {
        try array { writer throws(JSONError) in try writer.copyElements(&reader) }
      }
    case .string: string(try reader.string())
    case .number, .boolean, .null:
      let start = reader.offset
      try reader.skip()
      verbatim(reader.text(from: start))
    }
  }

  private mutating func copyMembers(_ reader: inout JSONReader) throws(JSONError) {
    var keys = try reader.beginObject()
    while let key = try reader.nextKey(&keys) {
      self.key(key)
      try copy(&reader)
    }
  }

  private mutating func copyElements(_ reader: inout JSONReader) throws(JSONError) {
    var elements = try reader.beginArray()
    while try reader.nextElement(&elements) { try copy(&reader) }
  }

  /// Returns true if an array has few elements, and no objects among them: a shape, a window, a sample.
  private static func fitsOneLine(_ reader: JSONReader) throws(JSONError) -> Bool {
    var reader = reader
    var elements = try reader.beginArray()
    while try reader.nextElement(&elements) {
      guard elements.count <= 8, try reader.kind() != .object else { return false }
      try reader.skip()
    }
    return true
  }
}

import StrictJSON

/// JSON in the strict profile: what is accepted and written again is the same value.
enum JSONBody {
  /// As deep as a manifest may be.
  private static let maximumDepth = 16

  static func run(_ bytes: [UInt8]) throws(BrokenProperty) -> Bool {
    let isSkipped = isWellFormed(bytes)
    guard let value = parse(bytes) else {
      try BrokenProperty.unless(!isSkipped, "what is no value was skipped as one")
      return false
    }
    try BrokenProperty.unless(isSkipped, "a value cannot be skipped")
    let text = write(value, .compact)
    for style in [JSONWriter.Style.compact, .indented] {
      let again = parse(write(value, style))
      try BrokenProperty.unless(again == value, "written again it is another value")
      // Texts that Swift holds equal may have other bytes, and -0 is not 0.
      try BrokenProperty.unless(again.map { write($0, .compact) } == text, "its bytes changed")
    }
    try checkCopy(of: bytes, value)
    return true
  }

  /// A copy keeps the spelling of numbers, and with it the value.
  private static func checkCopy(
    of bytes: [UInt8], _ value: JSONValue
  ) throws(BrokenProperty) {
    for style in [JSONWriter.Style.compact, .indented] {
      let copy = try BrokenProperty.unlessHolds("an accepted value is copied") {
        () throws(JSONError) in
        var reader = try JSONReader(bytes, maximumDepth: maximumDepth)
        var writer = JSONWriter(style: style)
        try writer.copy(&reader)
        return writer.bytes
      }
      try BrokenProperty.unless(parse(copy) == value, "its copy is another value")
    }
  }

  private static func parse(_ bytes: [UInt8]) -> JSONValue? {
    try? JSONValue(document: bytes, maximumDepth: maximumDepth)
  }

  private static func isWellFormed(_ bytes: [UInt8]) -> Bool {
    do throws(JSONError) {
      var reader = try JSONReader(bytes, maximumDepth: maximumDepth)
      try reader.skip()
      try reader.finish()
      return true
    } catch {
      return false
    }
  }

  private static func write(_ value: JSONValue, _ style: JSONWriter.Style) -> [UInt8] {
    var writer = JSONWriter(style: style)
    writer.value(value)
    return writer.bytes
  }
}

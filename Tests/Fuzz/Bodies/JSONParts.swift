import StrictJSON

/// A value in a JSON text, and the member or element that it is.
struct JSONPart {
  /// The member with its key, or the element; no comma.
  let whole: Range<Int>
  /// The value alone.
  let value: Range<Int>
  let kind: JSONReader.Kind

  /// Whether it has a key.
  var isMember: Bool { whole.lowerBound < value.lowerBound }

  /// All values of a text, from the outside in; those before the first fault where it has one.
  static func all(of text: [UInt8]) -> [JSONPart] {
    var parts: [JSONPart] = []
    guard var reader = try? JSONReader(text, maximumDepth: 64) else { return [] }
    try? collect(&reader, from: reader.offset, text, &parts)
    return parts
  }

  private static func collect(
    _ reader: inout JSONReader, from start: Int, _ text: [UInt8], _ parts: inout [JSONPart]
  ) throws(JSONError) {
    let (place, kind) = (reader.offset, try reader.kind())
    let index = parts.count
    parts.append(JSONPart(whole: start..<place, value: place..<place, kind: kind))
    switch kind {
    case .object:
      var keys = try reader.beginObject()
      var before = reader.offset
      while try reader.nextKey(&keys) != nil {
        try collect(&reader, from: afterComma(before, text), text, &parts)
        before = reader.offset
      }
    case .array:
      var elements = try reader.beginArray()
      while try reader.nextElement(&elements) {
        try collect(&reader, from: reader.offset, text, &parts)
      }
    default: try reader.skip()
    }
    let end = reader.offset
    parts[index] = JSONPart(whole: start..<end, value: place..<end, kind: kind)
  }

  /// The reader passes over the comma and the key in one step.
  private static func afterComma(_ place: Int, _ text: [UInt8]) -> Int {
    text[place] == UInt8(ascii: ",") ? place + 1 : place
  }
}

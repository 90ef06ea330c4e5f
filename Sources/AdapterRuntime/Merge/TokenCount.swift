internal import StrictJSON

/// How many tokens a `tokenizer.json` gives numbers to: one more than the largest number.
enum TokenCount {
  private static let maximumDepth = 24

  /// - Parameter document: the file's text.
  /// - Returns: the number; nil where the document is none that says so.
  static func of(_ document: [UInt8]) -> Int? {
    do throws(JSONError) {
      var largest = -1
      var reader = try JSONReader(document, maximumDepth: maximumDepth)
      var keys = try reader.beginObject()
      while let key = try reader.nextKey(&keys) {
        switch (key, reader.kindIfKnown) {
        case ("model", .object): try readModel(&reader, &largest)
        case ("added_tokens", .array): try readAdded(&reader, &largest)
        default: try reader.skip()
        }
      }
      try reader.finish()
      return largest < 0 ? nil : largest + 1
    } catch {
      return nil
    }
  }

  /// Of Unigram a list, of all others an object of numbers.
  private static func readModel(
    _ reader: inout JSONReader, _ largest: inout Int
  ) throws(JSONError) {
    var keys = try reader.beginObject()
    while let key = try reader.nextKey(&keys) {
      switch (key, reader.kindIfKnown) {
      case ("vocab", .object):
        var tokens = try reader.beginObject()
        while try reader.nextKey(&tokens) != nil { try readNumber(&reader, &largest) }
      case ("vocab", .array):
        var elements = try reader.beginArray()
        var count = 0
        while try reader.nextElement(&elements) {
          try reader.skip()
          count += 1
        }
        largest = max(largest, count - 1)
      default: try reader.skip()
      }
    }
  }

  private static func readAdded(
    _ reader: inout JSONReader, _ largest: inout Int
  ) throws(JSONError) {
    var elements = try reader.beginArray()
    while try reader.nextElement(&elements) {
      guard reader.kindIfKnown == .object else {
        try reader.skip()
        continue
      }
      var keys = try reader.beginObject()
      while let key = try reader.nextKey(&keys) {
        if key == "id" { try readNumber(&reader, &largest) } else { try reader.skip() }
      }
    }
  }

  private static func readNumber(
    _ reader: inout JSONReader, _ largest: inout Int
  ) throws(JSONError) {
    guard reader.kindIfKnown == .number else { return try reader.skip() }
    largest = max(largest, Int(exactly: try reader.integer()) ?? largest)
  }
}

extension JSONReader {
  fileprivate var kindIfKnown: Kind? { try? kind() }
}

import StrictJSON
import Testing

private func value(_ text: String) throws(JSONError) -> JSONValue {
  try value(Array(text.utf8))
}

private func value(_ bytes: [UInt8]) throws(JSONError) -> JSONValue {
  var reader = try JSONReader(bytes, maximumDepth: 16)
  let value = try JSONValue(parsing: &reader)
  try reader.finish()
  return value
}

@Suite struct JSONReaderTests {
  @Test func valuesOfEveryKindAreRead() throws {
    let text = #" {"a": [1, -2, 3.5, 1e3], "b": "x\n\u00e9\ud83d\ude00", "c": null, "d": true} "#
    #expect(
      try value(text)
        == .object([
          .init("a", .array([.integer(1), .number(-2), .number(3.5), .number(1000)])),
          .init("b", .string("x\né😀")), .init("c", .null), .init("d", .boolean(true)),
        ]))
  }

  @Test(arguments: [
    "", "{", "[1", "[1,]", "{\"a\"}", "{\"a\":1,}", "[1 2]", "tru", "nul", "NaN", "Infinity",
    "-Infinity", "01", "-", "1.", ".5", "1e", "+1", "0x1", "'a'", "\"a", "\"\\x\"", "\"\\u12\"",
    "\"\u{1}\"", "[1]]", "{} {}", "{\"a\":1,\"a\":2}", "{\"\\u0061\":1,\"a\":2}", "\u{FEFF}{}",
    "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "1e400", "-1e400", "1e-400", "// x\n1",
  ])
  func whatTheProfileForbidsIsRefused(_ text: String) {
    #expect(throws: JSONError.self) { try value(text) }
  }

  @Test(arguments: [
    [0x22, 0xFF, 0x22], [0x22, 0xC0, 0x80, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22],
  ])
  func invalidUTF8IsRefused(_ bytes: [UInt8]) {
    #expect(throws: JSONError.self) { try value(bytes) }
  }

  @Test func keysAreComparedAsBytes() throws {
    // A composed and a decomposed "é" are two keys; so are "K" and the Kelvin sign.
    let keys = ["\u{E9}", "e\u{301}", "K", "\u{212A}"]
    let text = "{" + keys.map { "\"\($0)\": 1" }.joined(separator: ",") + "}"
    guard case .object(let members) = try value(text) else {
      Issue.record("not an object")
      return
    }
    #expect(Set(members.map(\.key)).count == 4)
  }

  @Test func manyKeysAreStillUnique() {
    let keys = (0..<100).map { "\"k\($0)\": 0" } + ["\"k50\": 1"]
    #expect(throws: JSONError.self) { try value("{" + keys.joined(separator: ",") + "}") }
  }

  @Test func nestingIsLimited() throws {
    let deep = String(repeating: "[", count: 16) + String(repeating: "]", count: 16)
    _ = try value(deep)
    #expect(throws: JSONError.self) { try value("[" + deep + "]") }
  }

  @Test(arguments: ["1.0", "1e2", "-1", "9007199254740992", "\"1\"", "null"])
  func onlyPlainIntegersAreIntegers(_ text: String) throws {
    var reader = try JSONReader(Array(text.utf8), maximumDepth: 1)
    #expect(throws: JSONError.self) { try reader.integer() }
  }

  @Test func theLargestIntegerIsRead() throws {
    var reader = try JSONReader(Array("9007199254740991".utf8), maximumDepth: 1)
    #expect(try reader.integer() == 1 << 53 - 1)
  }

  @Test func writtenDoublesReadBackTheSame() throws {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<2000 {
      let number = Double(bitPattern: generator.next())
      guard number.isFinite else { continue }
      var writer = JSONWriter()
      writer.number(number)
      var reader = try JSONReader(writer.bytes, maximumDepth: 1)
      #expect(try reader.double().bitPattern == number.bitPattern || number == 0)
    }
  }

  @Test func writtenTextIsCompactAndEscapedAsSafetensorsDoes() {
    var writer = JSONWriter()
    writer.object { writer in
      writer.key("a\"\\\u{1}\n")
      writer.array { writer in
        writer.integer(1)
        writer.string("é/")
      }
    }
    #expect(String(decoding: writer.bytes, as: UTF8.self) == #"{"a\"\\\u0001\n":[1,"é/"]}"#)
  }
}

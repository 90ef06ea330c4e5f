import StrictJSON
import Testing

private func copy(_ text: String, _ style: JSONWriter.Style) throws -> String {
  var reader = try JSONReader(Array(text.utf8), maximumDepth: 16)
  var writer = JSONWriter(style: style)
  try writer.copy(&reader)
  try reader.finish()
  return String(decoding: writer.bytes, as: UTF8.self)
}

@Suite struct JSONCopyTests {
  /// Numbers as they are spelled, strings as this writer spells them.
  @Test(arguments: [
    #"{"a":1.50e+0,"b":-0.0,"c":123456789012345678901234567890,"d":[true,null,{}],"e":"\n\\é"}"#,
    "[]", "{}", #""x""#, "1e-7", "[[[[1,2],[]],{}]]",
  ])
  func aCompactTextComesBackFromAnIndentedOne(_ text: String) throws {
    #expect(try copy(text, .compact) == text)
    #expect(try copy(copy(text, .indented), .compact) == text)
  }

  @Test func shortArraysStandOnOneLine() throws {
    let text = try copy(#"{"shape":[8,32],"rows":[[1,2],["x",[]]],"o":[{"a":1}]}"#, .indented)
    #expect(
      text == """
        {
          "shape": [8, 32],
          "rows": [[1, 2], ["x", []]],
          "o": [
            {
              "a": 1
            }
          ]
        }
        """)
    let long = try copy("[1,2,3,4,5,6,7,8,9]", .indented)
    #expect(long.split(separator: "\n").count == 11)
  }

  @Test(arguments: ["[1,]", "{\"a\":1,\"a\":2}", "[01]", "[1e999]", "nul", "[\"\\ud800\"]"])
  func whatIsNotWellFormedIsRefused(_ text: String) throws {
    #expect(throws: JSONError.self) { try copy(text, .compact) }
  }
}

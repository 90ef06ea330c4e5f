import AdapterInterop
import StrictJSON
import SystemPackage
import TestSupport
import Testing

@Suite struct PatternTests {
  /// What PEFT's own matching function chose (Fixtures/peft_patterns.json).
  @Test func patternsMatchAsPEFTDoes() throws {
    let bytes = try Repository.fixtures.appending("peft_patterns.json").contents
    let cases = try JSONValue(document: bytes, maximumDepth: 4).elements
    #expect(cases.count >= 60)
    for value in cases {
      let members = try value.members
      guard case .array(let keys) = members[0].value, case .string(let module) = members[1].value
      else { return Issue.unexpected(value) }
      let table = keys.compactMap { key -> JSONValue.Member? in
        if case .string(let text) = key { .init(Name(text), .integer(1)) } else { nil }
      }
      let match = try PEFTPattern(table, field: "rank_pattern").match(Name(module))?.key
      let expected: String? = if case .string(let text) = members[2].value { text } else { nil }
      #expect(match == expected, "\(keys) on \(module)")
    }
  }

  @Test(arguments: [
    #"(a)\1"#, "(?=a)", "(?P<n>a)", "a**", "*", "(", "[a", "a{3,1}", "a{99999}", #"\bx"#, "(?i)a",
    String(repeating: "(", count: 40) + String(repeating: ")", count: 40),
  ])
  func whatIsNotLinearIsRefused(_ pattern: String) {
    #expect(throws: InteropError.self) {
      try PEFTPattern([.init(Name(pattern), .integer(1))], field: "rank_pattern")
    }
  }

  /// A backtracking matcher would need 2^60 steps.
  @Test func hostilePatternsEndSoon() throws {
    let table = try PEFTPattern(
      [.init("(a*)*(a|aa)+(a?){40}b", .integer(1))], field: "rank_pattern")
    #expect(try table.match(Name(String(repeating: "a", count: 1000))) == nil)
    let empty = try PEFTPattern([.init("(((){999}){999}){999}x", .integer(1))], field: "r")
    #expect(try empty.match("x") != nil)
  }
}

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
    #"(a)\1"#, "(?P=n)", "(?P<n", "(?>a)", "(?=a", "a**", "*", "(", "[a", "a{3,1}", "a{99999}",
    "(?i)a", #"\Kx"#,
    String(repeating: "(", count: 40) + String(repeating: ")", count: 40),
  ])
  func whatIsNotLinearIsRefused(_ pattern: String) {
    #expect(throws: InteropError.self) {
      try PEFTPattern([.init(Name(pattern), .integer(1))], field: "rank_pattern")
    }
  }

  /// PEFT tries a pattern behind every dot, and so past what it looks around for: both readings cannot be right.
  @Test(arguments: [
    (#"(?!.*layers\.3).*q_proj"#, ["model.layers.0.q_proj"], ["model.layers.3.q_proj"]),
    (#"^(?!.*layers\.3).*q_proj"#, ["model.layers.0.q_proj", "model.layers.3.q_proj"], []),
    (#"layers\.(?!3)\d+\.q_proj"#, ["model.layers.0.q_proj", "model.layers.3.q_proj"], []),
  ])
  func aLookThatPEFTEvadesIsRefused(
    _ pattern: String, _ clear: [String], _ doubtful: [String]
  ) throws {
    let table = try PEFTPattern([.init(Name(pattern), .integer(1))], field: "alpha_pattern")
    for module in clear { _ = try table.match(Name(module)) }
    for module in doubtful {
      #expect(throws: InteropError.self) { try table.match(Name(module)) }
    }
  }

  /// AdaLoRA and others list every module; the first key that is meant wins, whatever the length of the table.
  @Test func largeTablesAreNoMoreWorkThanSmallOnes() throws {
    let keys = (0..<40_000).map { "base.layers.\($0).self_attn.q_proj" }
    let table = try PEFTPattern(
      keys.map { .init(Name($0), .integer(1)) }, field: "rank_pattern")
    for key in keys { #expect(try table.match(Name("model.\(key)"))?.key == key) }
    #expect(try table.match("base.layers.40000.self_attn.q_proj") == nil)
    let anchored = try PEFTPattern(
      keys.map { .init(Name("^\($0.replacing(".", with: "\\."))$"), .integer(1)) },
      field: "rank_pattern")
    for key in keys { #expect(try anchored.match(Name(key)) != nil) }
    #expect(try anchored.match("model.base.layers.1.self_attn.q_proj") == nil)
  }

  /// A backtracking matcher would need 2^60 steps.
  @Test func hostilePatternsEndSoon() throws {
    let table = try PEFTPattern(
      [.init("(a*)*(a|aa)+(a?){40}b", .integer(1))], field: "rank_pattern")
    #expect(try table.match(Name(String(repeating: "a", count: 1000))) == nil)
    for pattern in ["(?=(?=(?=x){9999}){9999}){9999}", "((?!x){99}){999}"] {
      #expect(throws: InteropError.self) {
        try PEFTPattern([.init(Name(pattern), .integer(1))], field: "rank_pattern")
      }
    }
    let looking = try PEFTPattern(
      [.init("(?!(a*)*(?=(a|aa)*b))(?<!(a*)*c)a*", .integer(1))], field: "rank_pattern")
    #expect(try looking.match(Name(String(repeating: "a", count: 1000))) != nil)
    let empty = try PEFTPattern([.init("(((){999}){999}){999}x", .integer(1))], field: "r")
    #expect(try empty.match("x") != nil)
  }
}

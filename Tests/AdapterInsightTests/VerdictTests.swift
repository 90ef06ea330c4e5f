import AdapterInsight
import Operations
import StrictJSON
import TestSupport
import Testing

/// Differences that are easily overlooked.
@Suite struct VerdictTests {
  private let values: [Float] = (0..<64).map { Float($0 % 7) - 3 }

  private func lora(
    layout: Layout = .outIn, scale: Double = 1,
    _ more: (inout HandMadeAdapter) throws -> Void = { _ in }
  ) throws -> Adapter {
    var made = HandMadeAdapter()
    let a = made.operand("a", [2, 8], Array(values.prefix(16)))
    let b = made.operand("b", [8, 2], Array(values.suffix(16)))
    try made.append(
      AddLowRank(target: Target("m.weight", layout: layout), a: a, b: b, scale: scale))
    try more(&made)
    return made.adapter
  }

  private func prompt(
    _ made: inout HandMadeAdapter, _ name: Name, _ values: [Float], _ stream: TokenStream
  ) throws {
    let operand = made.operand(name, [2, 4], values)
    try made.append(PrependEmbeddings(values: operand, stream: stream))
  }

  private func verdict(_ left: Adapter, _ right: Adapter) throws -> AdapterDifference.Verdict {
    try AdapterDifference(left, right).verdict(tolerance: 1e-6)
  }

  private var row: [Float] { Array(values.prefix(8)) }

  @Test func aPromptThatOnlyOneHasIsADifference() throws {
    let with = try lora { try prompt(&$0, "p", row, .decoder) }
    #expect(try verdict(with, try lora()) == .differs)
    #expect(try verdict(try lora(), with) == .differs)
    #expect(try verdict(with, with) == .same)
  }

  @Test func promptsOfBothStreamsAreCompared() throws {
    let one = try lora {
      try prompt(&$0, "e", row, .encoder)
      try prompt(&$0, "d", row, .decoder)
    }
    let other = try lora {
      try prompt(&$0, "e", row.map { $0 + 1 }, .encoder)
      try prompt(&$0, "d", row, .decoder)
    }
    #expect(try verdict(one, other) == .differs)
  }

  @Test func aPromptForOtherTokensIsAnother() throws {
    let one = try lora { try prompt(&$0, "p", row, .decoder) }
    let other = try lora { try prompt(&$0, "p", row, .encoder) }
    #expect(try verdict(one, other) == .differs)
  }

  @Test func otherHeadsAreAnotherPrefix() throws {
    func prefix(heads: Int, of dimension: Int) throws -> Adapter {
      var made = HandMadeAdapter()
      let operand = made.operand("kv", [2, 8], Array(values.prefix(16)))
      try made.append(
        PrependKV(
          values: operand, headCount: heads, headDimension: dimension,
          slots: [.init(key: 0, value: 1)], stream: .decoder))
      return made.adapter
    }
    #expect(try verdict(try prefix(heads: 2, of: 2), try prefix(heads: 4, of: 1)) == .differs)
  }

  /// The same numbers for a weight and for its transpose are two changes; what is not decided yet may be
  /// either.
  @Test func layoutsCount() throws {
    let (out, transposed) = (try lora(layout: .outIn), try lora(layout: .inOut))
    #expect(![.same, .sameWeights, .sameEffect].contains(try verdict(out, transposed)))
    #expect(try verdict(out, try lora(layout: .unresolved)) == .sameWeights)
  }

  @Test func operandsOfOtherShapesAreOtherOperations() throws {
    func butterfly(_ shape: [Int]) throws -> Adapter {
      var made = HandMadeAdapter()
      let value = made.operand("value", shape, Array(values.prefix(32)))
      try made.append(Replace(target: Target("m.weight"), value: value, absent: .refuse))
      return made.adapter
    }
    #expect(try verdict(try butterfly([4, 8]), try butterfly([8, 4])) != .sameEffect)
  }

  /// Squares of such numbers are zero, and yet they are not the same.
  @Test func tinyChangesAreNotTheSame() throws {
    let (one, other) = (try lora(scale: 1e-200), try lora(scale: 2e-200))
    #expect(try verdict(one, other) == .differs)
    let effects = try AdapterEffects(of: one)
    let norm = try #require(effects.targets.first?.changeNorm)
    #expect(norm > 1e-200 && norm < 1e-196)
  }
}

import AdapterInsight
import Operations
import StrictJSON
import TestSupport
import Testing

/// What the numbers of an adapter show.
@Suite struct FindingTests {
  /// LoRA on one weight of each of `layers`, [16, 16], with `rank` columns of which `used` count.
  private func lora(
    layers: Int, rank: Int, used: Int, scale: Double = 2, size: (Int) -> Float = { _ in 1 }
  ) throws -> Adapter {
    var made = HandMadeAdapter()
    var random = SeededGenerator(seed: 7)
    for layer in 0..<layers {
      let target = Target(Name("model.layers.\(layer).q.weight"), layout: .outIn)
      func values(_ count: Int) -> [Float] {
        (0..<count).map { _ in Float.random(in: -1...1, using: &random) }
      }
      let a = made.operand(Name("a\(layer)"), [rank, 16], values(rank * 16))
      let b = values(16 * rank).enumerated().map { index, value in
        index % rank < used ? value * size(layer) : 0
      }
      try made.append(
        AddLowRank(
          target: target, a: a, b: made.operand(Name("b\(layer)"), [16, rank], b), scale: scale))
    }
    return made.adapter
  }

  private func findings(_ adapter: Adapter) throws -> [Finding] {
    try Finding.all(of: adapter, AdapterEffects(of: adapter)) { name in
      name.text.split(separator: ".").dropFirst(2).first.map(String.init)
    }
  }

  @Test func anOrdinaryAdapterHasNone() throws {
    #expect(try findings(try lora(layers: 6, rank: 8, used: 8)) == [])
  }

  @Test func zerosAreUntrained() throws {
    #expect(try findings(try lora(layers: 2, rank: 4, used: 0)) == [.untrained])
  }

  @Test func oneLayerThatHoldsMostIsNamed() throws {
    let found = try findings(try lora(layers: 6, rank: 4, used: 4) { $0 == 3 ? 9 : 1 })
    guard case .concentrated(layer: "3", let share) = found.first else {
      Issue.record("\(found)")
      return
    }
    #expect(share > 0.8 && share < 1)
  }

  @Test func ranksThatAreNotUsedAreSaid() throws {
    let found = try findings(try lora(layers: 2, rank: 16, used: 2))
    guard case .unusedRank(rank: 16, let effective, targets: 2) = found.first else {
      Issue.record("\(found)")
      return
    }
    #expect(effective > 1 && effective <= 2)
  }

  @Test func aScaleThatNobodyUsesIsSaid() throws {
    #expect(
      try findings(try lora(layers: 2, rank: 4, used: 4, scale: 64)) == [
        .unusualScale(scale: 64, rank: 4, targets: 2)
      ])
  }

  @Test(arguments: [(8, true), (16, false)])
  func valuesOfANarrowerTypeAreSaid(_ bits: Int, _ isNarrow: Bool) throws {
    var made = HandMadeAdapter()
    // Fractions of as many bits: BF16 has eight, F16 eleven.
    let values = (0..<256).map { index in
      Float(index * 2 + 1) / Float(1 << bits) + (isNarrow ? 0 : 1)
    }
    let delta = made.operand("delta", [256], values)
    try made.append(Add(target: Target("model.layers.0.q.bias"), delta: delta, scale: 1))
    let found = try findings(made.adapter)
    #expect(found.isEmpty != isNarrow)
  }
}

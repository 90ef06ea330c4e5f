import AdapterRuntime
import Checkpoints
import Operations
import Storage
import StrictJSON
import TestSupport
import Testing

/// Operands that are far more than an adapter has: a file of some bytes can stand for them.
@Suite struct ManyOperandsTests {
  private let folder: TemporaryFolder
  private let weights: [Float]

  init() throws {
    folder = try TemporaryFolder()
    var random = SeededGenerator(seed: 3)
    weights = (0..<7 * 40).map { _ in Float.random(in: -1...1, using: &random) }
  }

  private func base() throws -> Checkpoint {
    var made = HandMadeCheckpoint()
    made.add("m.weight", [7, 40], weights)
    return try made.write(to: folder)
  }

  /// More reflections than are made at once, one after the other.
  @Test func manyReflectionsFollowEachOther() throws {
    var random = SeededGenerator(seed: 4)
    let count = 150
    let vectors = (0..<40 * count).map { _ in Float.random(in: -1...1, using: &random) }
    var made = HandMadeAdapter()
    try made.append(
      ReflectInput(
        target: Target("m.weight"), vectors: made.operand("u", [40, count], vectors),
        isOrthogonal: false))
    let view = try AdaptedCheckpoint(
      try base(), applying: [WeightedAdapter(made.adapter)])
    let reader = try #require(try view.reader(of: "m.weight"))
    let result = try reader.contents(of: 0..<7)

    var rows = (0..<7).map { row in weights[row * 40..<(row + 1) * 40].map(Double.init) }
    for column in 0..<count {
      let vector = (0..<40).map { Double(vectors[$0 * count + column]) }
      let square = vector.reduce(0) { $0 + $1 * $1 }
      for row in rows.indices {
        let product = zip(rows[row], vector).reduce(0) { $0 + $1.0 * $1.1 }
        for place in 0..<40 { rows[row][place] -= 2 * product / square * vector[place] }
      }
    }
    let expected = rows.flatMap { $0 }
    for (place, value) in expected.enumerated() {
      let bits = (0..<4).reduce(UInt32(0)) { $0 | UInt32(result[4 * place + $1]) << (8 * $1) }
      #expect(abs(Double(Float(bitPattern: bits)) - value) < 1e-4, "\(place)")
    }
  }

  /// A spectrum of far more coefficients than the weight has elements.
  @Test func aSpectrumBeyondTheWeightIsRefused() throws {
    let count = 1 << 20
    var made = HandMadeAdapter()
    let places = made.operand("p", [2, count], .i32, Array(repeating: 0, count: 8 * count))
    try made.append(
      AddSpectral(
        target: Target("m.weight", layout: .outIn),
        spectrum: made.operand("s", [count], Array(repeating: 1, count: count)), places: places,
        scale: 1))
    let view = try AdaptedCheckpoint(try base(), applying: [WeightedAdapter(made.adapter)])
    let error = try #require(
      #expect(throws: AdapterError.self) {
        try view.reader(of: "m.weight")?.contents(of: 0..<7)
      })
    #expect(error.description.contains("far beyond the weight's own size"))
  }
}

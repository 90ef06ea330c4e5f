import AdapterFormat
import AdapterRuntime
import Operations
import Checkpoints
import Storage
import StrictJSON
import TestSupport
import Testing

/// What one adapter does to `embed.weight`, [4, 2].
enum StackDeed: String, CaseIterable, CustomTestStringConvertible {
  case replace, replaceByOther, replaceByBase, rowZero, rowZeroByOther, rowOne, low, scale, turn

  var testDescription: String { rawValue }

  static let base: [Float] = (0..<8).map(Float.init)

  func adapter() throws -> Adapter {
    var made = HandMadeAdapter()
    try append(to: &made, "")
    return made.adapter
  }

  /// Adds it to an adapter, its tensors called so at the end.
  func append(to made: inout HandMadeAdapter, _ suffix: Name) throws {
    func name(_ stem: String) -> Name { Name(stem + suffix.text) }
    let target = Target("embed.weight", layout: .outIn, layoutSource: .sure)
    func replace(_ values: [Float]) throws {
      try made.append(
        Replace(target: Target("embed.weight"), value: made.operand(name("value"), [4, 2], values)))
    }
    func replaceRow(_ row: Int, _ values: [Float]) throws {
      try made.append(
        ReplaceRows(
          target: Target("embed.weight"), rows: [row],
          values: made.operand(name("rows"), [1, 2], values)))
    }
    switch self {
    case .replace: try replace([9, 8, 7, 6, 5, 4, 3, 2])
    case .replaceByOther: try replace([9, 8, 7, 6, 5, 4, 3, 1])
    case .replaceByBase: try replace(Self.base)
    case .rowZero: try replaceRow(0, [5, 6])
    case .rowZeroByOther: try replaceRow(0, [5, 7])
    case .rowOne: try replaceRow(1, [5, 6])
    case .low:
      try made.append(
        AddLowRank(
          target: target, a: made.operand(name("a"), [1, 2], [1, 2]),
          b: made.operand(name("b"), [4, 1], [1, 2, 3, 4]), scale: 1))
    case .scale:
      try made.append(
        Multiply(
          target: target, vector: made.operand(name("v"), [4], [2, 3, 4, 5]), side: .output,
          scalesBias: false))
    case .turn:
      try made.append(
        RotateInput(
          target: target, generator: made.operand(name("u"), [1, 1], [1]), terms: 0, isShared: false
        ))
    }
  }

  /// What it makes of the tensor.
  func applied(to values: [Double]) -> [Double] {
    switch self {
    case .replace: return [9, 8, 7, 6, 5, 4, 3, 2]
    case .replaceByOther: return [9, 8, 7, 6, 5, 4, 3, 1]
    case .replaceByBase: return values
    case .rowZero: return [5, 6] + values[2...]
    case .rowZeroByOther: return [5, 7] + values[2...]
    case .rowOne: return values[..<2] + [5, 6] + values[4...]
    case .low: return values.indices.map { values[$0] + Double(($0 / 2 + 1) * ($0 % 2 + 1)) }
    case .scale: return values.indices.map { values[$0] * Double($0 / 2 + 2) }
    // The example of Spec/operations/RotateInput.md: [1, 2] becomes [-2, 1].
    case .turn: return values.indices.map { $0 % 2 == 0 ? -values[$0 + 1] : values[$0 - 1] }
    }
  }
}

/// Two adapters that change one tensor: every cell of the table of Spec/adp-v1.md, 8.21 ([STK-5]), and two
/// rotations ([STK-4]).
@Suite struct StackConflictTests {
  /// What stands against the second after the first; nil for nothing.
  private func expected(_ first: StackDeed, _ second: StackDeed) -> StackConflict.Kind? {
    let replacements: Set<StackDeed> = [.replace, .replaceByOther]
    let rows: Set<StackDeed> = [.rowZero, .rowZeroByOther, .rowOne]
    let others: Set<StackDeed> = [.low, .scale, .turn]
    let sameRow: Set<StackDeed> = [.rowZero, .rowZeroByOther]
    if replacements.isSuperset(of: [first, second]) {
      return first == second ? nil : .replacedTwice
    }
    if rows.contains(first), replacements.contains(second) { return .replacedAfterRows }
    if sameRow == [first, second] { return .sameRow(0) }
    if others.contains(first), rows.contains(second) { return .rowsAfterChange }
    if others.contains(first), replacements.contains(second) { return .replacedAfterChange }
    return first == .turn && second == .turn ? .rotatedTwice : nil
  }

  private static let pairs = StackDeed.allCases.flatMap { first in
    StackDeed.allCases.map { (first, $0) }
  }

  private func view(_ deeds: [StackDeed], _ base: Checkpoint) throws -> AdaptedCheckpoint {
    let stack = try deeds.enumerated().map { place, deed in
      WeightedAdapter(try deed.adapter(), label: "adapter \(place)")
    }
    return try AdaptedCheckpoint(base, applying: stack)
  }

  private static func result(_ first: StackDeed, _ second: StackDeed) -> [Double] {
    second.applied(to: first.applied(to: StackDeed.base.map(Double.init)))
  }

  /// What holds between adapters holds inside of one, but that it may rotate twice.
  @Test(arguments: pairs)
  func oneAdapterHasTheSameRule(_ first: StackDeed, _ second: StackDeed) throws {
    let folder = try TemporaryFolder()
    let base = try makeBase(folder)
    var made = HandMadeAdapter()
    try first.append(to: &made, ".0")
    try second.append(to: &made, ".1")
    let adapter = made.adapter
    if let expected = expected(first, second), expected != .rotatedTwice {
      let error = #expect(throws: AdapterError.self) { try BoundAdapter(adapter, to: base) }
      let conflict = try #require(error?.cause as? StackConflict)
      #expect(
        conflict.kind == expected && conflict.isOfOneAdapter
          && error?.advice?.contains("itself") == true)
    } else {
      let view = try AdaptedCheckpoint(base, applying: adapter)
      let contents = try #require(try view.contents(of: "embed.weight"))
      #expect(doubles(contents, .f32) == Self.result(first, second))
    }
  }

  private func makeBase(_ folder: TemporaryFolder) throws -> Checkpoint {
    var base = HandMadeCheckpoint()
    base.add("embed.weight", [4, 2], StackDeed.base)
    return try base.write(to: folder)
  }

  /// Refused with both names, the parameter and a way out, or else one after the other.
  @Test(arguments: pairs)
  func theTableIsTheRule(_ first: StackDeed, _ second: StackDeed) throws {
    let folder = try TemporaryFolder()
    let base = try makeBase(folder)
    guard let expected = expected(first, second) else {
      let view = try view([first, second], base)
      let contents = try #require(try view.contents(of: "embed.weight"))
      return #expect(doubles(contents, .f32) == Self.result(first, second))
    }
    let error = #expect(throws: AdapterError.self) { try view([first, second], base) }
    let conflict = try #require(error?.cause as? StackConflict)
    #expect(conflict.kind == expected)
    for word in ["adapter 0", "adapter 1", "embed.weight"] {
      #expect(conflict.description.contains(word))
    }
    // The way out is one.
    let isOrder = (try? view([second, first], base)) != nil
    let wayOut = isOrder ? "put adapter 1 before adapter 0" : "leave one of them out"
    #expect(error?.advice == wayOut)
  }

  /// The same replacement of two adapters is one, and what follows each of them stays.
  @Test func anEqualReplacementIsOne() throws {
    let folder = try TemporaryFolder()
    let base = try makeBase(folder)
    let view = try view([.replace, .low, .replace, .scale, .low], base)
    var wanted = StackDeed.replace.applied(to: [])
    for deed in [StackDeed.low, .scale, .low] { wanted = deed.applied(to: wanted) }
    #expect(doubles(try #require(try view.contents(of: "embed.weight")), .f32) == wanted)
  }

  /// The base's own bytes may be weighed: there is nothing to blend.
  @Test func theBasesOwnBytesTakeAnyWeight() throws {
    let folder = try TemporaryFolder()
    let base = try makeBase(folder)
    let adapter = try StackDeed.replaceByBase.adapter()
    let view = try AdaptedCheckpoint(base, applying: [WeightedAdapter(adapter, weight: 0.3)])
    #expect(view.changedNames.isEmpty)
    #expect(throws: AdapterError.self) {
      try AdaptedCheckpoint(
        base, applying: [WeightedAdapter(try StackDeed.replace.adapter(), weight: 0.3)])
    }
  }

  /// A replacement that makes the tensor longer is not what the next adapter is for.
  @Test func anotherShapeIsRefused() throws {
    let folder = try TemporaryFolder()
    let base = try makeBase(folder)
    var made = HandMadeAdapter()
    try made.append(
      Replace(
        target: Target("embed.weight"),
        value: made.operand("value", [5, 2], (0..<10).map(Float.init)), canResize: true))
    let error = #expect(throws: AdapterError.self) {
      try AdaptedCheckpoint(
        base,
        applying: [
          WeightedAdapter(made.adapter, label: "longer"),
          WeightedAdapter(try StackDeed.low.adapter(), label: "low"),
        ])
    }
    #expect(error?.description == "longer makes embed.weight [5, 2], and low is for [4, 2]")
  }

  /// DoRA's norms are those of the replaced rows, whatever has changed them since; here outputs are columns, and
  /// the norms take a pass of their own.
  @Test(arguments: [1, 0.25, -0.5])
  func normsAreOfTheReplacedValues(_ weight: Double) throws {
    let folder = try TemporaryFolder()
    let base = try makeBase(folder)
    var made = HandMadeAdapter()
    var low = AddLowRank(
      target: Target("embed.weight", layout: .inOut, layoutSource: .sure),
      a: made.operand("a", [1, 4], [1, 2, 3, 4]), b: made.operand("b", [2, 1], [1, -1]), scale: 0.5)
    low.magnitude = made.operand("m", [2], [3, 4])
    try made.append(low)
    let view = try AdaptedCheckpoint(
      base,
      applying: [
        WeightedAdapter(try StackDeed.rowZero.adapter()),
        WeightedAdapter(try StackDeed.low.adapter()),
        WeightedAdapter(made.adapter, weight: weight),
      ])
    let origin = StackDeed.rowZero.applied(to: StackDeed.base.map(Double.init))
    let now = StackDeed.low.applied(to: origin)
    let delta: [Double] = (0..<8).map { index in
      let input = Double(index / 2 + 1)
      return index % 2 == 0 ? 0.5 * input : -0.5 * input
    }
    var squares: [Double] = [0, 0]
    for index in 0..<8 {
      let value = origin[index] + delta[index]
      squares[index % 2] += value * value
    }
    let factors: [Double] = [3 / squares[0].squareRoot(), 4 / squares[1].squareRoot()]
    let values = doubles(try #require(try view.contents(of: "embed.weight")), .f32)
    for (index, value) in values.enumerated() {
      let whole = factors[index % 2] * (now[index] + delta[index])
      let wanted = now[index] + weight * (whole - now[index])
      #expect(abs(value - wanted) <= 1e-5)
    }
  }
}

import AdapterInterop
import AdapterRuntime
import Checkpoints
import Operations
import Storage
import StrictJSON
import TestSupport
import Testing

/// The operations of real adapters, bound to their bases.
private struct BoundCase: Sendable, CustomTestStringConvertible {
  let fixture: PEFTCase
  let tensors: [AdaptedTensor]

  /// The cases that merge without a user's decision.
  static let all: [BoundCase] = PEFTCase.mergeable.compactMap { fixture in
    guard let (adapter, base) = try? open(fixture), let bound = try? BoundAdapter(adapter, to: base)
    else { return nil }
    return BoundCase(fixture: fixture, tensors: bound.tensors)
  }

  var testDescription: String { fixture.name }
}

/// That an operation does to numbers as it says of itself.
@Suite struct LawsTests {
  /// Between them the cases have nearly every operation that changes weights.
  @Test func theCasesHaveThem() {
    let names = Set(BoundCase.all.flatMap(\.tensors).flatMap(\.operations).map(\.operation.name))
    #expect(BoundCase.all.count > 60)
    #expect(names.count >= 16, "\(names.sorted())")
  }

  /// An operation is applied in the manner that its laws tell stacks and ties.
  @Test(arguments: BoundCase.all)
  fileprivate func stepsAreOfTheirManner(_ bound: BoundCase) throws {
    for tensor in bound.tensors {
      for operation in tensor.operations {
        var loader = OperandLoader(operation.adapter)
        let kind = try #require(operation.operation.kind)
        let steps: [TileStep<Double>] = try kind.steps(operation.part, &loader, tensor.info.shape)
        #expect(!steps.isEmpty || operation.part == .bias || kind.laws.isIdle)
        for step in steps {
          switch (step, kind.laws.manner) {
          case (.adds, .adds), (.transforms, .transforms), (.transforms, .rotates),
            (.gives, .replaces), (.gives, .replacesRows):
            break
          default: Issue.record("\(operation.operation.name) on \(tensor.info.name)")
          }
        }
      }
    }
  }

  /// The factors are of the sizes that were told from the operands' shapes, and where the product is the change they
  /// give what the steps give on zeros.
  @Test(arguments: BoundCase.all)
  fileprivate func factorsAreTheChange(_ bound: BoundCase) throws {
    for tensor in bound.tensors where tensor.kind == .changed && tensor.info.shape.count < 1 << 16 {
      for operation in tensor.operations where operation.part == .whole {
        guard let low = operation.operation.kind?.lowRank, low.product.experts == nil else {
          continue
        }
        var loader = OperandLoader(operation.adapter)
        let all: [LowRankFactors<Double>] = try low.factors(&loader, tensor.info.shape)
        let factors = try #require(all.first)
        #expect(all.count == 1 && factors.rank == low.product.rank)
        #expect(factors.rank == 0 || factors.outputCount == low.product.outputCount)
        guard low.product.isChange else { continue }
        let stored = try zerosChanged(by: operation, tensor.info.shape)
        let isTransposed = operation.operation.target?.layout == .inOut
        #expect(stored.isClose(to: factors.dense(transposed: isTransposed)))
      }
    }
  }

  private func zerosChanged(by operation: BoundOperation, _ shape: Shape) throws -> [Double] {
    let program = try TensorProgram([operation], type: .f64, shape: shape)
    var values = [Double](repeating: 0, count: shape.count)
    try unsafe values.withUnsafeMutableBytes { bytes in
      try unsafe program.apply(to: bytes, rows: 0..<program.grid.rows, scratch: TileScratch())
    }
    return values
  }

  /// W + factor · (f(W) − W), for every operation of which a part has a meaning.
  @Test(arguments: BoundCase.all)
  fileprivate func theEngineBlends(_ bound: BoundCase) throws {
    for tensor in bound.tensors where tensor.kind == .changed && tensor.info.shape.count < 1 << 16 {
      for operation in tensor.operations {
        switch operation.laws?.manner {
        case .adds, .transforms: try blends(operation, tensor.info.shape)
        case .rotates, .replaces, .replacesRows, .restores, .precedes, nil: break
        }
      }
    }
  }

  private func blends(_ operation: BoundOperation, _ shape: Shape) throws {
    let before = (0..<shape.count).map { Double($0 % 17) / 8 - 1 }
    func changed(_ factor: Double) throws -> [Double] {
      var operation = operation
      operation.factor = factor
      var program = try TensorProgram([operation], type: .f64, shape: shape)
      let grid = program.grid
      if program.needsMeasuring {
        try program.measure(tiles: [0..<grid.rows]) { _ in
          unsafe before.withUnsafeBytes { unsafe Array($0) }
        }
      }
      var values = before
      try unsafe values.withUnsafeMutableBytes { bytes in
        try unsafe program.apply(to: bytes, rows: 0..<grid.rows, scratch: TileScratch())
      }
      return values
    }
    let (whole, part) = (try changed(1), try changed(-0.75))
    let expected = zip(before, whole).map { $0 - 0.75 * ($1 - $0) }
    #expect(part.isClose(to: expected), "\(operation.operation.name)")
  }
}

extension LowRankFactors<Double> {
  /// scale · B · A, [out, in], or its transpose, row-major.
  fileprivate func dense(transposed isTransposed: Bool) -> [Double] {
    let (rows, columns) = isTransposed ? (inputCount, outputCount) : (outputCount, inputCount)
    return (0..<rows * columns).map { place in
      let (output, input) =
        isTransposed ? (place % columns, place / columns) : (place / columns, place % columns)
      return (0..<rank).reduce(0) { $0 + b[output * rank + $1] * a[$1 * inputCount + input] }
        * scale
    }
  }
}

extension [Double] {
  /// Whether both are the same up to the rounding of a few hundred additions.
  fileprivate func isClose(to other: [Double]) -> Bool {
    let size = Swift.max(1e-30, map(abs).max() ?? 0)
    return count == other.count && zip(self, other).allSatisfy { abs($0 - $1) <= 1e-12 * size }
  }
}

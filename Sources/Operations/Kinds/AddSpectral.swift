package import AdapterFormat
internal import Foundation
package import Storage
package import StrictJSON

/// W ← W + the real part of an inverse Fourier transform of a few coefficients (Spec/operations/AddSpectral.md; FourierFT, arXiv:2405.03003).
public struct AddSpectral: Sendable, Hashable {
  /// The weight.
  public var target: Target
  /// The coefficients, [n].
  public var spectrum: TypedOperand
  /// The seed of their places.
  public var seed: UInt64
  /// What the transform is multiplied with.
  public var scale: Double

  /// Makes a change.
  public init(target: Target, spectrum: TypedOperand, seed: UInt64, scale: Double) {
    self.target = target
    self.spectrum = spectrum
    self.seed = seed
    self.scale = scale
  }
}

extension AddSpectral: TargetedKind {
  package static let op = "add_spectral"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (
    ["spectrum"], ["seed", "scale"] + layoutKeys
  )

  package var extent: Extent { .matrix(output: nil, input: nil, isFlat: true) }

  package init(_ fields: OperationFields) throws(FormatError) {
    target = try fields.matrixTarget()
    spectrum = try fields.operand("spectrum")
    seed = try fields.integer("seed")
    scale = try fields.number("scale")
  }

  /// [SPE-1].
  package func fault() -> String? {
    spectrum.type.isFloat && spectrum.shape.count == 1
      ? nil : "spectrum \(spectrum.shape) is not a vector of floats"
  }

  package var operands: [(role: Name, operand: Operand?)] { [("spectrum", spectrum.operand)] }

  package var attributes: [(key: Name, value: JSONValue?)] {
    [("seed", .integer(seed)), ("scale", .number(scale))]
  }

  package var summary: OperationSummary {
    OperationSummary(scale: scale, traits: ["\(spectrum.count) frequencies"])
  }

  package var laws: Laws { Laws(.adds) }

  package var cost: Cost {
    // Of a large weight all of the shuffle is drawn.
    let size = target.shape.map { Double($0.count) } ?? 0
    return Cost(
      perElement: 2 * Double(spectrum.count) + Cost.loop,
      ahead: Cost.loop * (Double(spectrum.count) + (size >= 0x1p27 ? size : 0)))
  }

  package var measurable: Measurable { .change }

  /// Its places are a shuffle of all elements: of a large weight that is too much for a look at the factors.
  package var lowRank: (any LowRankKind)? {
    target.shape.map { $0.count <= 1 << 26 } ?? false ? self : nil
  }

  package var layerKind: (any LayerKind)? { nil }

  package func steps<Scalar: ComputeScalar>(
    _ part: BoundOperation.Part, _ operands: inout OperandLoader, _ shape: Shape
  ) throws -> [TileStep<Scalar>] {
    let layout = try target.decidedLayout()
    let all: [LowRankFactors<Scalar>] = try factors(&operands, shape)
    return all.map { .adds(LowRankChange(factors: $0, layout: layout)) }
  }
}

extension AddSpectral: LowRankKind {
  package var product: LowRankProduct {
    let matrix = target.shape.map { [$0.dimensions[0], $0.dimensions.dropFirst().reduce(1, *)] }
    let shape = target.layout == .inOut ? matrix?.reversed() : matrix
    return LowRankProduct(
      rank: 2 * spectrum.count, outputCount: shape?[0] ?? 0, inputCount: shape?[1] ?? 0)
  }

  /// cos(α + β) = cos α · cos β − sin α · sin β: each coefficient is a product of rank 2.
  package func factors<Scalar: ComputeScalar>(
    _ operands: inout OperandLoader, _ shape: Shape?
  ) throws -> [LowRankFactors<Scalar>] {
    guard let shape = shape?.dimensions, shape.count == 2 else {
      throw AdapterError(.misuse, on: target.name, "a spectrum of a weight of unknown shape")
    }
    let (out, input) =
      try target.decidedLayout() == .outIn ? (shape[0], shape[1]) : (shape[1], shape[0])
    let spectrum: [Double] = try operands.values(spectrum)
    guard spectrum.count <= out * input else {
      throw AdapterError(
        .arithmetic, on: target.name, "more frequencies than the weight has elements")
    }
    let rank = 2 * spectrum.count
    try checkFactors(target, rank: rank, out + input, of: out * input)
    let places = TorchPermutation.prefix(spectrum.count, of: out * input, seed: seed)
    var factors = LowRankFactors<Scalar>(
      a: Array(repeating: 0, count: rank * input), b: Array(repeating: 0, count: out * rank),
      rank: rank, inputCount: input, scale: scale / Double(out * input))
    let (rowTurns, columnTurns) = (Self.turns(out), Self.turns(input))
    for (index, (place, value)) in zip(places, spectrum).enumerated() {
      let (row, column) = (place / input, place % input)
      for i in 0..<input {
        let turn = columnTurns[column * i % input]
        factors.a[2 * index * input + i] = Scalar(value * turn.cosine)
        factors.a[(2 * index + 1) * input + i] = Scalar(-value * turn.sine)
      }
      for o in 0..<out {
        let turn = rowTurns[row * o % out]
        factors.b[o * rank + 2 * index] = Scalar(turn.cosine)
        factors.b[o * rank + 2 * index + 1] = Scalar(turn.sine)
      }
    }
    return [factors]
  }

  /// Cosine and sine of 2π · k / count.
  private static func turns(_ count: Int) -> [(cosine: Double, sine: Double)] {
    (0..<count).map { k in
      let angle = 2 * Double.pi * Double(k) / Double(count)
      return (cos(angle), sin(angle))
    }
  }
}

package import AdapterFormat
internal import RealModule
package import Storage
package import StrictJSON

/// W ← W + the real part of an inverse Fourier transform of a few coefficients (Spec/operations/AddSpectral.md; FourierFT, arXiv:2405.03003).
public struct AddSpectral: Sendable, Hashable {
  /// The weight.
  public var target: Target
  /// The coefficients, [n].
  public var spectrum: TypedOperand
  /// Their frequencies, [2, n] of I32: along the outputs above those along the inputs.
  public var places: TypedOperand
  /// The factor of the transform.
  public var scale: Double

  /// Makes a change.
  public init(target: Target, spectrum: TypedOperand, places: TypedOperand, scale: Double) {
    self.target = target
    self.spectrum = spectrum
    self.places = places
    self.scale = scale
  }
}

extension AddSpectral: TargetedKind {
  package static let op = "add_spectral"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (
    ["spectrum", "places"], ["scale"] + layoutKeys
  )

  package var extent: Extent { .matrix(output: nil, input: nil, isFlat: true) }

  package init(_ fields: OperationFields) throws(FormatError) {
    target = try fields.matrixTarget()
    spectrum = try fields.operand("spectrum")
    places = try fields.operand("places")
    scale = try fields.number("scale")
  }

  /// [SPE-1].
  package func fault() -> String? {
    guard spectrum.type.isFloat, spectrum.shape.count == 1 else {
      return "spectrum \(spectrum.shape) is not a vector of floats"
    }
    return places.type == .i32 && places.shape == [2] + spectrum.shape
      ? nil : "places \(places.shape) \(places.type.rawValue) are not [2, \(spectrum.count)] of I32"
  }

  package var operands: [(role: Name, operand: Operand?)] {
    [("spectrum", spectrum.operand), ("places", places.operand)]
  }

  package var attributes: [(key: Name, value: JSONValue?)] {
    [("scale", .number(scale))]
  }

  package var summary: OperationSummary {
    OperationSummary(scale: scale, traits: ["\(spectrum.count) frequencies"])
  }

  package var laws: Laws { Laws(.adds) }

  package var cost: Cost {
    Cost(
      perElement: 2 * Double(spectrum.count) + Cost.loop, ahead: Cost.loop * Double(spectrum.count))
  }

  package var measurable: Measurable { .change }

  /// Only the weight's shape tells how large the factors are.
  package var lowRank: (any LowRankKind)? { target.shape?.dimensions.count == 2 ? self : nil }

  package var layerKind: (any LayerKind)? { nil }

  package func steps<Scalar: ComputeScalar>(
    _ part: BoundOperation.Part, _ operands: inout OperandLoader, _ shape: Shape
  ) throws -> [TileStep<Scalar>] {
    let layout = try target.decidedLayout()
    let dimensions = shape.dimensions
    if dimensions.count == 2, let transform = FourierTransform<Scalar>(count: dimensions[1]) {
      let values: [Double] = try operands.values(spectrum)
      let (out, input) =
        layout == .outIn ? (dimensions[0], dimensions[1]) : (dimensions[1], dimensions[0])
      let (outputs, inputs) = try frequencies(&operands, out, input)
      try checkFactors(target, rank: 2 * spectrum.count, out + input, of: out * input)
      let (rows, columns) = layout == .outIn ? (outputs, inputs) : (inputs, outputs)
      let coefficients = values.indices.map {
        SpectralChange<Scalar>.Coefficient(value: values[$0], row: rows[$0], column: columns[$0])
      }
      return [
        .adds(
          SpectralChange(
            coefficients, rows: dimensions[0], transform, scale: scale / Double(out * input)))
      ]
    }
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
    let (rows, columns) = try frequencies(&operands, out, input)
    let rank = 2 * spectrum.count
    try checkFactors(target, rank: rank, out + input, of: out * input)
    var factors = try LowRankFactors<Scalar>(
      a: Array(repeating: 0, count: rank * input), b: Array(repeating: 0, count: out * rank),
      rank: rank, inputCount: input, scale: scale / Double(out * input))
    let (rowTurns, columnTurns) = (Turns(out), Turns(input))
    for (index, value) in spectrum.enumerated() {
      let (row, column) = (rows[index], columns[index])
      for i in 0..<input {
        let turn = column * i % input
        factors.a[2 * index * input + i] = Scalar(value * columnTurns.cosines[turn])
        factors.a[(2 * index + 1) * input + i] = Scalar(-value * columnTurns.sines[turn])
      }
      for o in 0..<out {
        let turn = row * o % out
        factors.b[o * rank + 2 * index] = Scalar(rowTurns.cosines[turn])
        factors.b[o * rank + 2 * index + 1] = Scalar(rowTurns.sines[turn])
      }
    }
    return [factors]
  }

  /// The frequencies along the outputs and along the inputs.
  private func frequencies(
    _ operands: inout OperandLoader, _ out: Int, _ input: Int
  ) throws -> (outputs: [Int], inputs: [Int]) {
    let all = try operands.integers(places)
    let (rows, columns) = (
      Array(all.prefix(spectrum.count)), Array(all.dropFirst(spectrum.count))
    )
    guard rows.allSatisfy((0..<out).contains), columns.allSatisfy((0..<input).contains) else {
      throw AdapterError(
        .arithmetic, on: target.name, "\(Self.op) has a place outside of the weight")
    }
    return (rows, columns)
  }
}

/// W[j, k] ← W[j, k] + scale · Σ c · cos(2π (p j / rows + q k / columns)), for stored rows: the terms of a row are few
/// coefficients of its Fourier series, and a transform gives all of its values.
///
/// Eight rows are made together, from a multiple of eight on, so that the bits of a row are the same whoever reads it.
private struct SpectralChange<Scalar: ComputeScalar>: TileAddition {
  struct Coefficient {
    /// c.
    let value: Double
    /// p.
    let row: Int
    /// q.
    let column: Int
  }

  private typealias Lanes = SIMD4<Scalar>

  private struct Term: Sendable {
    let row: Int
    let column: Int
    /// −q, where the conjugate belongs.
    let mirrored: Int
    /// c / 2 · e^(2πi · p l / rows), for l from 0 to 3.
    let real: Lanes
    let imaginary: Lanes
  }

  private let terms: [Term]
  private let transform: FourierTransform<Scalar>
  private let rows: Int
  private let cosines: [Scalar]
  private let sines: [Scalar]
  private let scale: Double

  init(
    _ coefficients: [Coefficient], rows: Int, _ transform: FourierTransform<Scalar>, scale: Double
  ) {
    let turns = Turns(rows)
    let columns = transform.count
    terms = coefficients.map { coefficient in
      var (real, imaginary) = (Lanes(), Lanes())
      for lane in 0..<Lanes.scalarCount {
        let turn = coefficient.row * lane % rows
        real[lane] = Scalar(coefficient.value / 2 * turns.cosines[turn])
        imaginary[lane] = Scalar(coefficient.value / 2 * turns.sines[turn])
      }
      return Term(
        row: coefficient.row, column: coefficient.column,
        mirrored: (columns - coefficient.column) % columns, real: real, imaginary: imaginary)
    }
    (cosines, sines) = (turns.cosines.map(Scalar.init), turns.sines.map(Scalar.init))
    (self.transform, self.rows, self.scale) = (transform, rows, scale)
  }

  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  func add(to tile: inout Tile<Scalar>, times factor: Double) {
    var values = FourierTransform<Scalar>.Values(count: transform.count)
    let step = 2 * Lanes.scalarCount
    for start in stride(
      from: tile.rows.lowerBound / step * step, to: tile.rows.upperBound, by: step)
    {
      values.clear()
      gather(from: start, into: &values)
      transform.apply(to: &values)
      put(values.real, from: start, Scalar(factor * scale), into: &tile)
      put(values.imaginary, from: start + Lanes.scalarCount, Scalar(factor * scale), into: &tile)
    }
  }

  /// The series of four rows as one whose transform is real, and i times those of the next four.
  @inline(__always)
  private func gather(from start: Int, into values: inout FourierTransform<Scalar>.Values) {
    for term in terms {
      let first = term.row * start % rows
      let second = term.row * (start + Lanes.scalarCount) % rows
      let (c, s) = (cosines[first], sines[first])
      let (d, t) = (cosines[second], sines[second])
      let (ar, ai) = (term.real * c - term.imaginary * s, term.real * s + term.imaginary * c)
      let (br, bi) = (term.real * d - term.imaginary * t, term.real * t + term.imaginary * d)
      values.add(ar - bi, ai + br, at: term.column)
      values.add(ar + bi, br - ai, at: term.mirrored)
    }
  }

  /// Adds a multiple of four rows to those of them that are in the tile.
  @inline(__always)
  private func put(
    _ lanes: [Lanes], from start: Int, _ factor: Scalar, into tile: inout Tile<Scalar>
  ) {
    let columns = tile.columns
    for lane in 0..<Lanes.scalarCount where tile.rows.contains(start + lane) {
      let first = (start + lane - tile.rows.lowerBound) * columns
      unsafe tile.values.withUnsafeMutableBufferPointer { values in
        unsafe lanes.withUnsafeBufferPointer { lanes in
          for column in 0..<columns {
            unsafe values[first &+ column] += factor * lanes[column][lane]
          }
        }
      }
    }
  }
}

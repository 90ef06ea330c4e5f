package import AdapterFormat
internal import Foundation
internal import Storage

// Changes that are products of two factors, once the factors are worked out.

extension AddGroupedLowRank {
  /// Block (j, n) is (A[n][:, j · q …] · B[j][n · q …, :])ᵀ with q = r / k: a product of rank k · r
  /// whose factors are zero outside of their block.
  package func load<Scalar: ComputeScalar>(
    _ loader: inout OperandLoader
  ) throws(FormatError) -> LowRankChange<Scalar> {
    let (left, right): ([Scalar], [Scalar]) = (try loader.values(a), try loader.values(b))
    let (groups, width, rank, height) = (a.shape[0], a.shape[1], a.shape[2], b.shape[2])
    let part = rank / groups
    let inner = groups * rank
    try checkFactors(
      weight.name, rank: inner, groups * (width + height), of: groups * width * groups * height)
    var factors = LowRankFactors<Scalar>(
      a: Array(repeating: 0, count: inner * groups * width),
      b: Array(repeating: 0, count: groups * height * inner), rank: inner,
      inputCount: groups * width)
    for j in 0..<groups {
      for n in 0..<groups {
        for q in 0..<part {
          let place = (j * groups + n) * part + q
          for i in 0..<width {
            factors.a[place * groups * width + n * width + i] =
              left[(n * width + i) * rank + j * part + q]
          }
          for o in 0..<height {
            factors.b[(j * height + o) * inner + place] =
              right[(j * rank + n * part + q) * height + o]
          }
        }
      }
    }
    return LowRankChange(
      factors: factors, scale: loader.weighted(scale), layout: try weight.decidedLayout())
  }
}

extension AddNormalisedLowRank {
  /// The smallest norm that is divided by.
  private static let minimumNorm = 1e-4

  /// Row i of A is multiplied with λ / (r · ‖A_i‖ · ‖B^i‖), column j with w_norm[j].
  package func load<Scalar: ComputeScalar>(
    _ loader: inout OperandLoader
  ) throws(FormatError) -> LowRankChange<Scalar> {
    let (rank, width, height) = (a.shape[0], a.shape[1], b.shape[0])
    var factors = LowRankFactors<Scalar>(
      a: try loader.values(a), b: try loader.values(b), rank: rank, inputCount: width)
    let strength: [Double] = try loader.values(strength)
    let columnNorm: [Scalar] = try loader.values(columnNorm)
    let scales = (0..<rank).map { row -> Scalar in
      let input = Self.norm((0..<width).map { Double(factors.a[row * width + $0]) })
      let output = Self.norm((0..<height).map { Double(factors.b[$0 * rank + row]) })
      return Scalar(strength[0] / (Double(rank) * input * output))
    }
    factors.scaleRows(by: scales)
    for index in factors.a.indices { factors.a[index] *= columnNorm[index % width] }
    return LowRankChange(factors: factors, scale: loader.weighted(1), layout: .outIn)
  }

  private static func norm(_ values: [Double]) -> Double {
    max(values.reduce(0) { $0 + $1 * $1 }.squareRoot(), minimumNorm)
  }
}

extension AddSpectral {
  /// cos(α + β) = cos α · cos β − sin α · sin β: each coefficient is a product of rank 2.
  package func load<Scalar: ComputeScalar>(
    _ loader: inout OperandLoader, _ shape: [Int]
  ) throws(FormatError) -> LowRankChange<Scalar> {
    let layout = try weight.decidedLayout()
    let (out, input) = layout == .outIn ? (shape[0], shape[1]) : (shape[1], shape[0])
    let spectrum: [Double] = try loader.values(spectrum)
    guard spectrum.count <= out * input else {
      throw .unsupported("\(weight.name): more frequencies than the weight has elements")
    }
    try checkFactors(
      weight.name, rank: 2 * spectrum.count, out + input, of: out * input)
    let places = TorchPermutation.prefix(spectrum.count, of: out * input, seed: seed)
    let rank = 2 * spectrum.count
    var factors = LowRankFactors<Scalar>(
      a: Array(repeating: 0, count: rank * input), b: Array(repeating: 0, count: out * rank),
      rank: rank, inputCount: input)
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
    return LowRankChange(
      factors: factors, scale: loader.weighted(scale / Double(out * input)), layout: layout)
  }

  /// Cosine and sine of 2π · k / count.
  private static func turns(_ count: Int) -> [(cosine: Double, sine: Double)] {
    (0..<count).map { k in
      let angle = 2 * Double.pi * Double(k) / Double(count)
      return (cos(angle), sin(angle))
    }
  }
}

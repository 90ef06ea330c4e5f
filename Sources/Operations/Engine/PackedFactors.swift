internal import CPlatform
package import Storage

/// The factors of scale · B · A as the kernel for stored rows takes them: it widens, adds the product and rounds in
/// registers, in one pass, where a library's product takes three and a tile between them.
///
/// Every value is one sum over the rank, in its order, each step fused and rounded to F32: its bits do not depend on
/// the rows and columns that are worked on together, nor on the processor.
package struct PackedFactors: Sendable {
  /// Rows of the stored matrix.
  package let rows: Int
  /// Its columns.
  package let columns: Int
  private let rank: Int
  /// The factor of the rows, [rows, rank].
  private let left: [Float]
  /// The factor of the columns, [rank, columns], in panels: [columns / 16][rank][16], the last one filled up with zeros.
  private let panels: [Float]

  private static let panelWidth = 16
  /// Whether this processor has the kernel.
  static let isSupported = platform_has_product() != 0

  /// Lays factors out; nil where this processor or this type of arithmetic has no such kernel.
  ///
  /// - Parameters:
  ///   - factors: of the logical weight; their scale is left out.
  ///   - layout: how the weight is stored.
  package init?<Scalar: ComputeScalar>(_ factors: LowRankFactors<Scalar>, _ layout: Layout) {
    guard Self.isSupported, let factors = factors as? LowRankFactors<Float>,
      factors.rank > 0, layout != .unresolved
    else { return nil }
    rank = factors.rank
    let (outputs, inputs) = (factors.outputCount, factors.inputCount)
    switch layout {
    case .inOut:
      (rows, columns) = (inputs, outputs)
      left = Self.transposed(factors.a, rows: rank, columns: inputs)
      panels = Self.panels(of: columns, rank) { k, column in factors.b[column * factors.rank + k] }
    default:
      (rows, columns) = (outputs, inputs)
      left = factors.b
      panels = Self.panels(of: columns, rank) { k, column in factors.a[k * inputs + column] }
    }
  }

  private static func transposed(_ values: [Float], rows: Int, columns: Int) -> [Float] {
    var result = [Float](repeating: 0, count: values.count)
    for row in 0..<rows {
      for column in 0..<columns { result[column * rows + row] = values[row * columns + column] }
    }
    return result
  }

  @inline(__always)
  private static func panels(
    of columns: Int, _ rank: Int, _ value: (_ k: Int, _ column: Int) -> Float
  ) -> [Float] {
    let count = (columns + panelWidth - 1) / panelWidth
    var result = [Float](repeating: 0, count: count * rank * panelWidth)
    for panel in 0..<count {
      let first = panel * panelWidth
      for k in 0..<rank {
        let place = (panel * rank + k) * panelWidth
        for column in first..<min(columns, first + panelWidth) {
          result[place + column - first] = value(k, column)
        }
      }
    }
    return result
  }

  /// Whether rows of this type can be changed as they are stored.
  package static func takes(_ type: ElementType) -> Bool {
    [.bf16, .f16, .f32].contains(type)
  }

  /// Adds a multiple of B · A to rows, each value rounded once, to nearest even.
  ///
  /// - Parameters:
  ///   - factor: what B · A is multiplied with.
  ///   - rows: which rows of the stored matrix they are.
  ///   - type: their element type, one that is taken.
  ///   - stored: the rows; little-endian, `columns` elements each, without gaps.
  package func add(
    _ factor: Float, rows: Range<Int>, as type: ElementType, to stored: UnsafeMutableRawPointer
  ) {
    precondition(rows.lowerBound >= 0 && rows.upperBound <= self.rows, "rows out of bounds")
    guard !rows.isEmpty, columns > 0 else { return }
    unsafe left.withUnsafeBufferPointer { left in
      unsafe panels.withUnsafeBufferPointer { panels in
        guard let left = left.baseAddress, let panels = panels.baseAddress else { return }
        var product = unsafe platform_product(
          stored: stored, rows: rows.count, columns: columns, rank: rank,
          b: left + rows.lowerBound * rank, panels: panels, scale: factor)
        switch type {
        case .bf16: unsafe platform_add_product_bf16(&product)
        case .f16: unsafe platform_add_product_f16(&product)
        case .f32: unsafe platform_add_product_f32(&product)
        default: preconditionFailure("\(type.rawValue) is not taken")
        }
      }
    }
  }
}

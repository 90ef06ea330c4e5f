/// Turns values into places of a drawing of 280 × 160 units.
struct PlotFrame: Sendable {
  private static let (left, right, top, bottom) = (46.0, 272.0, 8.0, 134.0)
  /// No curve is drawn with more points: nobody sees them, and a file of many layers grows.
  private static let mostPoints = 32

  let axis: PlotAxis
  /// The length of the longest curve.
  let length: Int

  /// The path of a curve, with a gap where a value has no place; nil if none has.
  func path(_ values: [Double]) -> String? {
    var path = ""
    var isDown = false
    for index in evenIndices(of: values.count, atMost: Self.mostPoints) {
      guard let height = y(values[index]) else {
        isDown = false
        continue
      }
      // A point alone is a line of no length, which round ends make visible.
      path += isDown ? "L\(x(index)) \(height)" : "M\(x(index)) \(height)h0"
      isDown = true
    }
    return path.isEmpty ? nil : path
  }

  /// How far down a value is.
  func y(_ value: Double) -> String? {
    axis.position(of: value).map { position in
      (Self.bottom - position * (Self.bottom - Self.top)).coordinate
    }
  }

  private func x(_ index: Int) -> String {
    let position = length > 1 ? Double(index) / Double(length - 1) : 0
    return (Self.left + position * (Self.right - Self.left)).coordinate
  }
}

/// So many indices, evenly spread, the first and the last among them.
func evenIndices(of count: Int, atMost limit: Int) -> [Int] {
  guard count > limit, limit > 1 else { return Array(0..<max(count, 0)) }
  return (0..<limit).map { step in
    Int((Double(step) * Double(count - 1) / Double(limit - 1)).rounded())
  }
}

extension Double {
  /// With one digit after the point at most.
  fileprivate var coordinate: String {
    let tenths = Int((self * 10).rounded())
    return tenths.isMultiple(of: 10) ? "\(tenths / 10)" : "\(tenths / 10).\(abs(tenths % 10))"
  }
}

/// A number of bytes for people: `1.23 MB`, in powers of 1,000.
struct ByteCount: CustomStringConvertible {
  private let count: UInt64

  init(_ count: UInt64) {
    self.count = count
  }

  init(_ count: Int) {
    self.count = UInt64(max(count, 0))
  }

  var description: String {
    let units = ["kB", "MB", "GB", "TB"]
    guard count >= 1000 else { return count == 1 ? "1 byte" : "\(count) bytes" }
    var value = Double(count) / 1000
    var unit = 0
    while value >= 999.5, unit < units.count - 1 {
      value /= 1000
      unit += 1
    }
    return value.short + " " + units[unit]
  }
}

extension Double {
  /// Three significant digits or so, without an exponent for everyday values: `4`, `0.25`, `1.23`.
  var short: String {
    guard isFinite else { return isNaN ? "nan" : "\(self)" }
    if self == rounded(), magnitude < 1e6 { return "\(Int(self))" }
    guard magnitude >= 0.001, magnitude < 1e6 else { return scientific }
    let factor: Double = magnitude >= 100 ? 1 : magnitude >= 10 ? 10 : magnitude >= 1 ? 100 : 10_000
    let value = (self * factor).rounded() / factor
    return value == value.rounded() ? "\(Int(value))" : "\(value)"
  }
}

extension Double {
  /// One digit before the point and two after it: `3.34e-4`.
  private var scientific: String {
    var (value, exponent) = (self, 0)
    while value.magnitude < 0.9995, value != 0 {
      value *= 10
      exponent -= 1
    }
    while value.magnitude >= 9.995 {
      value /= 10
      exponent += 1
    }
    return "\((value * 100).rounded() / 100)e\(exponent)"
  }
}

extension Int {
  /// With commas between thousands.
  var grouped: String {
    var digits = String(magnitude)
    var groups: [String] = []
    while digits.count > 3 {
      groups.insert(String(digits.suffix(3)), at: 0)
      digits.removeLast(3)
    }
    return (self < 0 ? "-" : "") + ([digits] + groups).joined(separator: ",")
  }

  /// `1 tensor`, `2 tensors`.
  func of(_ noun: String, plural: String? = nil) -> String {
    "\(grouped) \(self == 1 ? noun : plural ?? noun + "s")"
  }
}

extension String {
  /// Padded with spaces to a width, on the right or on the left.
  func padded(to width: Int, alignment: TextColumn.Alignment = .left) -> String {
    let padding = String(repeating: " ", count: Swift.max(0, width - columnCount))
    return alignment != .right ? self + padding : padding + self
  }
}

/// A column of a table: its title and how it is aligned.
struct TextColumn {
  enum Alignment {
    case left
    case right
    /// On the left; cut at its start, as the end of a dotted name says most.
    case tail
  }

  let title: String
  let alignment: Alignment

  init(_ title: String, _ alignment: Alignment = .left) {
    self.title = title
    self.alignment = alignment
  }

  private func cut(_ cell: String, to width: Int) -> String {
    alignment == .tail ? cell.cutStart(to: width) : cell.cut(to: width)
  }

  /// Lines of a table that fits 80 columns: the last column is cut where it must be.
  static func table(_ columns: [TextColumn], _ rows: [[String]], indent: Int) -> [String] {
    let all = [columns.map(\.title)] + rows
    let widths = columns.indices.map { index in all.map { $0[index].columnCount }.max() ?? 0 }
    return all.map { row in
      var line = String(repeating: " ", count: indent)
      for (index, cell) in row.enumerated() {
        let isLast = index == row.count - 1
        line +=
          isLast
          ? columns[index].cut(cell, to: Swift.max(10, 80 - line.columnCount))
          : cell.padded(to: widths[index], alignment: columns[index].alignment) + "  "
      }
      while line.last == " " { line.removeLast() }
      return line
    }
  }
}

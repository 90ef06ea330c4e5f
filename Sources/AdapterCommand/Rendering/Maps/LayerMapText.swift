/// A map for a terminal: a bar beside each number, its height the number's share of the largest; coloured
/// where that is seen.
struct LayerMapText {
  private static let bars: [Character] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
  /// From dark blue to yellow, in the 256 colours of terminals; all can be read on black and on white.
  private static let colours = [61, 62, 32, 37, 36, 71, 106, 142]

  /// Longer titles and labels are cut.
  private static let maximumTitle = 28

  let map: LayerMap
  let isColoured: Bool

  /// Lines of at most 80 columns; a wide map is cut into several, one below the other.
  func lines(indent: Int) -> [String] {
    let numbers = AlignedNumbers(map.values.joined().compactMap(\.self))
    let cells = map.values.map { $0.map { $0.map(numbers.text) ?? "" } }
    let titles = map.columns.map { $0.escaped.cutStart(to: Self.maximumTitle) }
    let labels = map.rows.map { $0.escaped.cutStart(to: Self.maximumTitle) }
    let widths = map.columns.indices.map { column in
      max(titles[column].columnCount, 2 + (cells.map { $0[column].count }.max() ?? 0))
    }
    let labelWidth = max(map.rowTitle.count, labels.map(\.columnCount).max() ?? 0)
    let space = String(repeating: " ", count: indent)
    var lines = [space + map.title]
    for range in blocks(widths.map { $0 + 2 }, room: 80 - indent - labelWidth) {
      let heads = range.map { "  " + titles[$0].padded(to: widths[$0], alignment: .right) }
      lines.append(space + map.rowTitle.padded(to: labelWidth) + heads.joined())
      for (row, label) in labels.enumerated() {
        var line = space + label.padded(to: labelWidth)
        for column in range {
          line += "  " + cell(map.values[row][column], cells[row][column], widths[column])
        }
        while line.last == " " { line.removeLast() }
        lines.append(line)
      }
    }
    return lines
  }

  private func cell(_ value: Double?, _ text: String, _ width: Int) -> String {
    guard let value else { return String(repeating: " ", count: width) }
    let padding = String(repeating: " ", count: max(0, width - 2 - text.count))
    guard let level = map.level(of: value, count: Self.bars.count) else {
      return padding + "! " + text
    }
    let bar = "\(Self.bars[level]) \(text)"
    return padding + (isColoured ? "\u{1B}[38;5;\(Self.colours[level])m\(bar)\u{1B}[0m" : bar)
  }

  /// Columns that fit beside each other, at least one.
  private func blocks(_ widths: [Int], room: Int) -> [Range<Int>] {
    var blocks: [Range<Int>] = []
    var (start, used) = (0, 0)
    for (column, width) in widths.enumerated() {
      if column > start, used + width > room {
        blocks.append(start..<column)
        (start, used) = (column, 0)
      }
      used += width
    }
    return widths.isEmpty ? [] : blocks + [start..<widths.count]
  }
}

extension LayerMap {
  /// A number's share of the largest, in `count` steps from 0; nil for one that is not finite.
  func level(of value: Double, count: Int) -> Int? {
    guard value.isFinite else { return nil }
    guard maximum > 0 else { return 0 }
    return min(count - 1, Int(value / maximum * Double(count)))
  }
}

/// A row of bars, for numbers in order.
func sparkline(_ values: [Double], width: Int) -> String {
  guard let largest = values.max(), largest > 0, !values.isEmpty else { return "" }
  let bars: [Character] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]
  let count = min(width, values.count)
  return String(
    (0..<count).map { index in
      let value = values[index * values.count / count]
      return bars[min(7, Int(value / largest * 8))]
    })
}

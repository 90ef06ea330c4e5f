internal import StrictJSON

/// Numbers of parameters as a table of layers and modules.
struct LayerMap {
  /// The quantity that the numbers measure, for people: `‖ΔW‖`.
  let title: String
  /// The heading of the rows.
  let rowTitle: String
  /// The rows' labels: layers, or tokens of a prompt.
  let rows: [String]
  /// The columns' labels: modules.
  let columns: [String]
  /// A number for each column of each row; nil where there is no such parameter.
  let values: [[Double?]]

  /// The largest number that is finite.
  let maximum: Double

  init(
    title: String, rowTitle: String, rows: [String], columns: [String], values: [[Double?]]
  ) {
    self.title = title
    self.rowTitle = rowTitle
    self.rows = rows
    self.columns = columns
    self.values = values
    maximum = values.joined().compactMap(\.self).filter(\.isFinite).max() ?? 0
  }

  /// Cells of a map; one of more is for no eye, and could be as large as the square of its file.
  static let maximumCells = 1 << 14
  private static let maximumColumns = 512

  /// A map of parameters; those that share a place, such as experts, by the root of the sum of squares, or
  /// by the largest.
  ///
  /// - Parameters:
  ///   - title: what the numbers are.
  ///   - numbers: each parameter's.
  ///   - combine: makes one number of those that share a place.
  init(
    _ title: String, _ numbers: [(name: Name, value: Double)], combine: (Double, Double) -> Double
  ) {
    var (layers, modules, stacks) = (Places<Layer>(), Places<String>(), Places<String>())
    var cells: [Cell: Double] = [:]
    for (name, value) in numbers {
      let place = ParameterPlace(name)
      if let stack = place.stack { _ = stacks.place(of: stack) }
      let cell = Cell(
        row: layers.place(of: Layer(stack: place.stack, layer: place.layer)),
        column: modules.place(of: place.module))
      cells[cell] = cells[cell].map { combine($0, value) } ?? value
    }
    // Layers by number within their stack; what is in none comes last.
    let order = layers.all.indices.sorted { left, right in
      func key(_ layer: Layer) -> (Int, Int) {
        (layer.stack.flatMap { stacks.place($0) } ?? .max, layer.layer ?? 0)
      }
      return key(layers.all[left]) < key(layers.all[right])
    }
    let shownColumns = min(modules.all.count, Self.maximumColumns)
    let shownRows = min(order.count, Self.maximumCells / max(1, shownColumns))
    let isWhole = shownColumns == modules.all.count && shownRows == order.count
    let names = stacks.all
    let short = Dictionary(
      zip(names, names.count > 1 ? names.shortenedAtBothEnds : names.map { _ in "" }),
      uniquingKeysWith: { first, _ in first })
    self.init(
      title: isWhole
        ? title
        : "\(title); of \(order.count.of("layer")) and \(modules.all.count.of("module")) the first",
      rowTitle: "layer",
      rows: order.prefix(shownRows).map { row in
        guard let number = layers.all[row].layer, let stack = layers.all[row].stack else {
          return "other"
        }
        let prefix = short[stack] ?? ""
        return prefix.isEmpty ? "\(number)" : "\(prefix).\(number)"
      },
      columns: Array(modules.all.prefix(shownColumns)).shortened,
      values: order.prefix(shownRows).map { row in
        (0..<shownColumns).map { cells[Cell(row: row, column: $0)] }
      })
  }
}

private struct Layer: Hashable {
  let stack: String?
  let layer: Int?
}

private struct Cell: Hashable {
  let row: Int
  let column: Int
}

/// Values, each once, in the order of first appearance.
private struct Places<Value: Hashable> {
  private(set) var all: [Value] = []
  private var known: [Value: Int] = [:]

  func place(_ value: Value) -> Int? { known[value] }

  mutating func place(of value: Value) -> Int {
    if let place = known[value] { return place }
    known[value] = all.count
    all.append(value)
    return all.count - 1
  }
}

extension [String] {
  /// Dotted names without the parts at the end, and at the start, that all of them share.
  fileprivate var shortenedAtBothEnds: [String] {
    var all: [[Substring]] = map { $0.split(separator: ".") }
    while let last = all.first?.last, all.allSatisfy({ $0.last == last && $0.count > 1 }) {
      all = all.map { [Substring]($0.dropLast()) }
    }
    while let first = all.first?.first, all.allSatisfy({ $0.first == first && $0.count > 1 }) {
      all = all.map { [Substring]($0.dropFirst()) }
    }
    return all.map { $0.joined(separator: ".") }
  }
}

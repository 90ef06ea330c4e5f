internal import StrictJSON

/// Numbers of parameters as a table of layers and modules.
struct LayerMap {
  /// What the numbers are, for people: `‖ΔW‖`.
  let title: String
  /// What stands above the rows.
  let rowTitle: String
  /// The rows' labels: layers, or tokens of a prompt.
  let rows: [String]
  /// The columns' labels: modules.
  let columns: [String]
  /// A number for each column of each row; nil where there is no such parameter.
  let values: [[Double?]]

  /// The largest number that is finite.
  var maximum: Double { values.joined().compactMap(\.self).filter(\.isFinite).max() ?? 0 }

  init(
    title: String, rowTitle: String, rows: [String], columns: [String], values: [[Double?]]
  ) {
    self.title = title
    self.rowTitle = rowTitle
    self.rows = rows
    self.columns = columns
    self.values = values
  }

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
    struct Layer: Hashable {
      let stack: String?
      let layer: Int?
    }
    var layers: [Layer] = []
    var modules: [String] = []
    var cells: [Layer: [String: Double]] = [:]
    for (name, value) in numbers {
      let place = ParameterPlace(name)
      let layer = Layer(stack: place.stack, layer: place.layer)
      if cells[layer] == nil { layers.append(layer) }
      if !modules.contains(place.module) { modules.append(place.module) }
      cells[layer, default: [:]][place.module] =
        cells[layer]?[place.module].map { combine($0, value) } ?? value
    }
    var stacks: [String?] = []
    for layer in layers where !stacks.contains(layer.stack) { stacks.append(layer.stack) }
    // Layers by number within their stack; what is in none comes last.
    layers.sort { left, right in
      let (first, second) = (
        stacks.firstIndex(of: left.stack) ?? 0, stacks.firstIndex(of: right.stack) ?? 0
      )
      if (left.stack == nil) != (right.stack == nil) { return right.stack == nil }
      return (first, left.layer ?? 0) < (second, right.layer ?? 0)
    }
    let names = stacks.compactMap(\.self)
    let short = Dictionary(
      zip(names, names.count > 1 ? names.shortenedAtBothEnds : names.map { _ in "" }),
      uniquingKeysWith: { first, _ in first })
    self.init(
      title: title, rowTitle: "layer",
      rows: layers.map { layer in
        guard let number = layer.layer, let stack = layer.stack else { return "other" }
        let prefix = short[stack] ?? ""
        return prefix.isEmpty ? "\(number)" : "\(prefix).\(number)"
      },
      columns: modules.shortened,
      values: layers.map { layer in modules.map { cells[layer]?[$0] } })
  }
}

extension [String] {
  /// Dotted names without the parts at the end, and at the start, that all of them share.
  fileprivate var shortenedAtBothEnds: [String] {
    var all = map { $0.split(separator: ".") }
    while let last = all.first?.last, all.allSatisfy({ $0.last == last && $0.count > 1 }) {
      all = all.map { $0.dropLast() }
    }
    while let first = all.first?.first, all.allSatisfy({ $0.first == first && $0.count > 1 }) {
      all = all.map { $0.dropFirst() }
    }
    return all.map { $0.joined(separator: ".") }
  }
}

internal import AdapterFormat
internal import AdapterInsight
internal import Operations
internal import StrictJSON

/// All adapters of two sides compared.
struct SideDiff {
  let left: String
  let right: String
  let tolerance: Double
  /// The differences between the files' metadata.
  let file: [FieldDifference]
  let diffs: [AdapterDiff]
  let onlyLeft: [Name]
  let onlyRight: [Name]

  init(
    _ mine: AdapterSide, _ theirs: AdapterSide, _ choices: AdapterDiff.Choices
  ) throws(Failure) {
    (left, right) = (mine.label, theirs.label)
    tolerance = choices.tolerance
    file = Self.metadata(mine.file?.manifest, theirs.file?.manifest)
    var diffs: [AdapterDiff] = []
    var (onlyLeft, onlyRight): ([Name], [Name]) = ([], [])
    for pair in AdapterSide.pairs(mine, theirs) {
      switch (pair.left, pair.right) {
      case (let left?, let right?):
        diffs.append(try AdapterDiff(pair.name, left, right, at: mine.reference.path, choices))
      case (nil, _): onlyRight.append(pair.name)
      case (_, nil): onlyLeft.append(pair.name)
      }
    }
    self.diffs = diffs
    self.onlyLeft = onlyLeft
    self.onlyRight = onlyRight
  }

  /// A PEFT folder has no metadata of its own: then there is nothing to compare.
  private static func metadata(_ left: Manifest?, _ right: Manifest?) -> [FieldDifference] {
    guard let left, let right else { return [] }
    func texts(_ manifest: Manifest) -> [Name: String] {
      Dictionary(manifest.metadata.map { ($0.key, $0.value) }, uniquingKeysWith: { $1 })
    }
    let (mine, theirs) = (texts(left), texts(right))
    return Set(mine.keys).union(theirs.keys).sorted().compactMap { key in
      mine[key] == theirs[key]
        ? nil : FieldDifference(.metadata, key.text, mine[key], theirs[key])
    }
  }

  /// The verdict on all: what the least similar pair says.
  var verdict: AdapterDifference.Verdict {
    guard onlyLeft.isEmpty, onlyRight.isEmpty else { return .differs }
    let order = AdapterDifference.Verdict.allCases
    let worst = diffs.map(\.verdict).max {
      (order.firstIndex(of: $0) ?? 0) < (order.firstIndex(of: $1) ?? 0)
    }
    return worst == .same && !file.isEmpty ? .sameWeights : worst ?? .same
  }

  /// The verdict first; maps where a screen of so many rows has room for them.
  func text(isColoured: Bool, rows: Int) -> String {
    let pen = Pen(isColoured: isColoured)
    var blocks = [["X  \(left.escaped)", "Y  \(right.escaped)"]]
    blocks.append(file.flatMap(\.lines))
    for (names, side) in [(onlyLeft, "X"), (onlyRight, "Y")] where !names.isEmpty {
      let text = "only in \(side): " + names.map(\.text).joined(separator: ", ")
      blocks.append(text.escaped.folded(to: 80))
    }
    blocks += diffs.map { DiffText(diff: $0, pen: pen, room: rows - 12).lines }
    return blocks.filter { !$0.isEmpty }.joined(separator: [""]).joined(separator: "\n") + "\n"
  }

  var json: String {
    DiffJSON(
      left: left, right: right, verdict: verdict, file: file, diffs: diffs, onlyLeft: onlyLeft,
      onlyRight: onlyRight, tolerance: tolerance
    ).text
  }
}

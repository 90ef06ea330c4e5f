internal import AdapterInsight
internal import AdapterRuntime
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// Two checkpoints compared, for people and programs.
struct CheckpointDiff {
  let left: String
  let right: String
  let comparison: CheckpointComparison
  let tolerance: Double

  /// Tensors by what is to be said of them.
  enum Kind: String, CaseIterable {
    case same
    case withinTolerance = "within_tolerance"
    case changed
    case otherType = "other_dtype"
    case otherShape = "other_shape"
    case onlyLeft = "only_left"
    case onlyRight = "only_right"

    var words: String {
      switch self {
      case .same: "the same"
      case .withinTolerance: "changed by no more than the tolerance"
      case .changed: "changed"
      case .otherType: "the same values in another element type"
      case .otherShape: "of another shape"
      case .onlyLeft: "only in X"
      case .onlyRight: "only in Y"
      }
    }
  }

  func kind(of tensor: CheckpointComparison.Tensor) -> Kind {
    guard let mine = tensor.left else { return .onlyRight }
    guard let theirs = tensor.right else { return .onlyLeft }
    guard let change = tensor.change else { return .otherShape }
    guard change.changedCount == 0 else {
      return isWithinTolerance(change) ? .withinTolerance : .changed
    }
    return mine.info.type == theirs.info.type ? .same : .otherType
  }

  private func isWithinTolerance(_ change: CheckpointComparison.Change) -> Bool {
    tolerance > 0 && change.norms.map { $0.relativeDistance <= tolerance } ?? false
  }

  var isSame: Bool {
    comparison.tensors.allSatisfy { [.same, .withinTolerance, .otherType].contains(kind(of: $0)) }
  }

  /// Changed tensors, the largest relative change first.
  var rows: [(tensor: CheckpointComparison.Tensor, part: PartComparison?)] {
    comparison.tensors.filter { kind(of: $0) == .changed }.map { ($0, $0.change?.norms) }
      .sorted { left, right in
        let (x, y) = (left.part?.relativeDistance ?? 2, right.part?.relativeDistance ?? 2)
        return x.isNaN != y.isNaN
          ? x.isNaN : x == y ? left.tensor.name.naturallyPrecedes(right.tensor.name) : x > y
      }
  }

  var map: LayerMap? {
    let numbers = comparison.tensors.compactMap { tensor -> (name: Name, value: Double)? in
      guard kind(of: tensor) == .changed, let norms = tensor.change?.norms else { return nil }
      return (tensor.name, norms.relativeDistance * 100)
    }
    return numbers.isEmpty
      ? nil : LayerMap("‖X − Y‖ / max(‖X‖, ‖Y‖) in %", numbers, combine: max)
  }

  var counts: [(kind: Kind, count: Int)] {
    Kind.allCases.map { kind in
      (kind, comparison.tensors.count { self.kind(of: $0) == kind })
    }.filter { $0.count > 0 }
  }
}

// MARK: - Text

extension CheckpointDiff {
  private static let maximumRows = 20

  var cells: [[String]] {
    rows.map { tensor, part in
      let change = tensor.change
      return [
        part?.relativeDistance.short ?? "", part?.distance.short ?? "",
        change?.largest?.short ?? "", change?.changedCount.grouped ?? "", tensor.name.text,
      ]
    }
  }

  func text(isColoured: Bool) -> String {
    var blocks = [["X  \(left.escaped)", "Y  \(right.escaped)"]]
    blocks.append(counts.map { "  \($0.count.of("tensor")) \($0.kind.words)" })
    if let map { blocks.append(LayerMapText(map: map, isColoured: isColoured).lines(indent: 2)) }
    let cells = cells.prefix(Self.maximumRows).map { $0.map(\.escaped) }
    if !cells.isEmpty {
      blocks.append(
        TextColumn.table(
          [
            .init("relative", .right), .init("‖X − Y‖", .right), .init("largest", .right),
            .init("elements", .right), .init("tensor", .tail),
          ], Array(cells), indent: 2)
          + (rows.count > Self.maximumRows
            ? ["  and \((rows.count - Self.maximumRows).grouped) more"] : []))
    }
    for kind in [Kind.onlyLeft, .onlyRight, .otherShape] {
      let names = comparison.tensors.filter { self.kind(of: $0) == kind }.map(\.name.text.escaped)
      guard !names.isEmpty else { continue }
      let rest = names.count > 4 ? ["    and \((names.count - 4).grouped) more"] : []
      blocks.append(
        ["  \(kind.words):"] + names.prefix(4).map { "    " + $0.cutStart(to: 76) } + rest)
    }
    return blocks.filter { !$0.isEmpty }.joined(separator: [""]).joined(separator: "\n") + "\n"
  }

  /// The document `adapter.diff-checkpoint/1` of Spec/cli.md.
  var json: String {
    var writer = JSONWriter(style: .indented)
    writer.object { writer in
      writer.member("schema", "adapter.diff-checkpoint/1")
      writer.member("left", left)
      writer.member("right", right)
      writer.member("verdict", isSame ? "same" : "differs")
      writer.member("tolerance", tolerance as Double?)
      writer.key("tensors")
      writer.array { writer in
        for tensor in comparison.tensors {
          writer.object { writer in
            writer.member("name", tensor.name.text)
            writer.member("kind", kind(of: tensor).rawValue)
            guard let change = tensor.change, change.changedCount > 0 else { return }
            writer.member("changed_elements", UInt64(change.changedCount))
            writer.member("largest", change.largest)
            guard let norms = change.norms else { return }
            writer.member("left_norm", norms.leftNorm as Double?)
            writer.member("right_norm", norms.rightNorm as Double?)
            writer.member("distance", norms.distance as Double?)
            writer.member("cosine", norms.cosine)
          }
        }
      }
    }
    return String(decoding: writer.bytes, as: UTF8.self) + "\n"
  }
}

internal import AdapterFormat
internal import AdapterInsight
internal import AdapterRuntime
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// Two adapters compared, on a base where there is one.
struct AdapterDiff {
  let name: Name
  let difference: AdapterDifference
  /// The measurement of both adapters' changes in the base; nil if no base was given.
  let measurement: ChangeMeasurement?
  let tolerance: Double

  /// The choices for a comparison.
  struct Choices {
    let tolerance: Double
    let detail: EffectComparison.Detail
    let base: String?
    let binding: BindingChoices
    let progress: ProgressChoice
  }

  init(
    _ name: Name, _ left: Adapter, _ right: Adapter, at path: FilePath, _ choices: Choices
  ) throws(Failure) {
    self.name = name
    tolerance = choices.tolerance
    let bar = ProgressBar("comparing", choices.progress, counting: .targets)
    defer { bar.finish() }
    do {
      difference = try AdapterDifference(left, right, choices.detail) {
        bar.advance(1, of: UInt64($0))
      }
    } catch {
      throw Failure(error, in: path)
    }
    bar.finish()
    if let count = difference.effects?.uncomparedCount, count > 0 {
      Terminal.report(
        "note",
        "\(name): not compared, as that is too much for files of their length: "
          + count.of("change"))
    }
    measurement = try choices.base.map { base throws(Failure) in
      try Self.measure(left, right, at: path, on: base, choices)
    }
  }

  private static func measure(
    _ left: Adapter, _ right: Adapter, at path: FilePath, on base: String,
    _ choices: Choices
  ) throws(Failure) -> ChangeMeasurement {
    let bar = ProgressBar("comparing", choices.progress)
    defer { bar.finish() }
    // Prompts and prefixes are compared by themselves.
    let (left, right) = (left.onWeights, right.onWeights)
    let checkpoint = try openCheckpoint(base).decoded()
    do {
      let policy = AdaptedCheckpoint.Policy.looking(choices.binding)
      return try ChangeMeasurement(
        try AdaptedCheckpoint(checkpoint, applying: left, policy: policy),
        try AdaptedCheckpoint(checkpoint, applying: right, policy: policy)
      ) { bar.advance($0, of: $1) }
    } catch {
      throw Failure(error, in: path)
    }
  }

  /// The verdict: what the base shows counts, where there is one.
  var verdict: AdapterDifference.Verdict {
    let verdict = difference.verdict(tolerance: tolerance)
    guard let measurement else { return verdict }
    let hasSameWeights = measurement.tensors.allSatisfy { tensor in
      tensor.change.map { $0.relativeDistance <= tolerance } ?? false
    }
    // What acts at run time the base does not show.
    let hasSameRest =
      difference.effects?.targets.allSatisfy {
        $0.name != nil || $0.isEqual(tolerance: tolerance)
      } ?? true
    guard hasSameWeights, hasSameRest else { return .differs }
    return difference.effects == nil ? verdict : .sameEffect
  }

  /// Targets of one relation, layer by layer; those without a name last.
  func targets(_ relation: EffectComparison.Relation) -> [String] {
    let targets = difference.effects?.targets.filter { $0.relation == relation } ?? []
    return targets.compactMap(\.name).sorted { $0.naturallyPrecedes($1) }.map(\.text)
      + targets.filter { $0.name == nil }.map(\.label)
  }

  /// One line for each target, or each tensor of the base, that differs by more than the tolerance; the
  /// largest relative distance first.
  var rows: [DiffRow] {
    let all: [DiffRow] =
      measurement?.tensors.compactMap { tensor in
        tensor.change.map { DiffRow(tensor.name, $0) }
      }
      ?? difference.effects?.targets.flatMap { target in
        target.relation == .otherKind
          ? [] : target.parts.map { DiffRow(target.name ?? name, $0) }
      } ?? []
    return all.filter { !($0.part.relativeDistance <= tolerance) }
      .sorted { left, right in
        let (x, y) = (left.part.place, right.part.place)
        // What is no number comes first.
        return x.isNaN != y.isNaN
          ? x.isNaN : x == y ? left.name.naturallyPrecedes(right.name) : x > y
      }
  }

  /// All weights together, on the base where there is one.
  var total: PartComparison? {
    guard let measurement else { return difference.effects?.weights }
    return PartComparison(summing: measurement.tensors.compactMap(\.change))
  }

  /// The relative distances, by layer and module.
  var map: LayerMap? {
    let rows =
      measurement?.tensors.compactMap { tensor in
        tensor.change.map { (name: tensor.name, value: $0.relativeDistance) }
      }
      ?? difference.effects?.targets.compactMap { target -> (name: Name, value: Double)? in
        guard let name = target.name, let distance = target.relativeDistance else { return nil }
        return (name, distance)
      } ?? []
    guard !rows.isEmpty else { return nil }
    // Rounding would fill the map with numbers that mean nothing.
    let shown = rows.map { ($0.name, $0.value <= tolerance ? 0 : $0.value) }
    return LayerMap("‖ΔX − ΔY‖ / max(‖ΔX‖, ‖ΔY‖)", shown, combine: max)
  }

  /// The distances of the rows of prompts and prefixes.
  var promptMaps: [LayerMap] {
    (difference.effects?.targets ?? []).compactMap(\.prompt).map { prompt in
      let isPrompt = prompt.kind == .tokens
      return LayerMap(
        title: "‖X − Y‖ by \(isPrompt ? "token" : "layer")", rowTitle: isPrompt ? "token" : "layer",
        rows: prompt.rows.indices.map { "\($0)" },
        columns: isPrompt ? ["distance"] : ["keys", "values"], values: prompt.rows)
    }
  }
}

extension EffectComparison.Target {
  /// Its name; of what has none, what it is.
  var label: String { name?.text ?? operations.joined(separator: ", ") }
}

extension PartComparison {
  /// The sort key of rows: rounded, so that the last digits, in which processors differ, do not decide.
  fileprivate var place: Double { (relativeDistance * 1e9).rounded() }
}

/// A difference of one parameter.
struct DiffRow {
  let name: Name
  let part: PartComparison

  init(_ name: Name, _ part: PartComparison) {
    self.name = name
    self.part = part
  }
}

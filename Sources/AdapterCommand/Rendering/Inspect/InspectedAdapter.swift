internal import AdapterFormat
internal import AdapterInsight
internal import AdapterRuntime
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// An adapter and what there is to say of it.
struct InspectedAdapter {
  let inspection: Inspection
  /// The results from its values; nil if only the manifest was to be read.
  let values: Values?
  /// The changes that it makes in a base; nil if none was given.
  let change: BaseEffect?

  /// The results from an adapter's values, without a base.
  struct Values {
    /// For each group of operations what their values are like.
    let statistics: [[ValueStatistics]]
    let effects: AdapterEffects
    let findings: [AdapterInsight.Finding]
  }

  /// The changes that an adapter makes in one base.
  struct BaseEffect {
    let path: FilePath
    let verdict: BaseVerdict
    let measurement: ChangeMeasurement
  }

  var adapter: Adapter { inspection.adapter }

  /// Summarises an adapter by its manifest alone.
  init(summaryOf adapter: Adapter) throws {
    inspection = try adapter.inspected()
    values = nil
    change = nil
  }

  /// Looks at all values, and at the base where there is one.
  init(
    _ adapter: Adapter, _ change: BaseEffect?, _ progress: ProgressChoice
  ) throws {
    inspection = try adapter.inspected()
    self.change = change
    var statistics: [[ValueStatistics]] = []
    let areWorthwhile = ValueStatistics.areWorthwhile(for: adapter)
    for group in inspection.groups {
      statistics.append(
        areWorthwhile ? try ValueStatistics.all(of: group.operations, in: adapter) : [])
    }
    let bar = ProgressBar("measuring", progress, counting: .targets)
    defer { bar.finish() }
    let effects = try AdapterEffects(of: adapter) { bar.advance(1, of: UInt64($0)) }
    bar.finish()
    if effects.unmeasuredCount > 0 {
      Terminal.report(
        "note",
        "\(adapter.name): not measured, as that is too much for a file of its length: "
          + effects.unmeasuredCount.of("change"))
    }
    values = Values(
      statistics: statistics, effects: effects,
      findings: try AdapterInsight.Finding.all(of: adapter, effects, layer: \.layerLabel))
  }
}

extension InspectedAdapter.BaseEffect {
  /// Measures an adapter on a base.
  ///
  /// - Throws: `Failure` where it cannot be applied to this base.
  init(
    of adapter: Adapter, at adapterPath: FilePath, on base: String, _ choices: BindingChoices,
    _ progress: ProgressChoice
  ) throws(Failure) {
    let checkpoint = try openCheckpoint(base).decoded()
    path = checkpoint.path
    let bar = ProgressBar("measuring", progress)
    defer { bar.finish() }
    do {
      let view = try AdaptedCheckpoint(
        checkpoint, applying: adapter.onWeights, policy: .looking(choices))
      verdict = view.verdict
      measurement = try ChangeMeasurement(view) { bar.advance($0, of: $1) }
    } catch {
      throw Failure(error, in: adapterPath)
    }
  }
}

extension AdaptedCheckpoint.Policy {
  /// For numbers that are only looked at.
  static func looking(_ choices: BindingChoices) -> AdaptedCheckpoint.Policy {
    .init(nonFiniteValues: .allow, otherBase: .allow, choices: choices)
  }
}

extension Name {
  /// The layer that a parameter is in; nil for one in none.
  var layerLabel: String? {
    let place = ParameterPlace(self)
    return place.layer.map { "\(place.stack ?? "").\($0)" }
  }
}

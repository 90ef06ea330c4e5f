internal import AdapterInsight
internal import AdapterRuntime
internal import Operations
internal import Storage
internal import StrictJSON

extension [Name: Survival] {
  /// Of all tensors together; nil where nothing was measured.
  func total(isRequantised: Bool) -> TotalSurvival? {
    guard !isEmpty else { return nil }
    var total = Survival()
    for survival in values { total += survival }
    return TotalSurvival(survival: total, isRequantised: isRequantised)
  }

  /// The key `survival` of a document: of each tensor, by name.
  func write(to writer: inout JSONWriter) {
    writer.key("survival")
    writer.array { writer in
      for (name, survival) in sorted(by: { $0.key < $1.key }) {
        writer.object { writer in
          writer.member("tensor", name.text)
          writer.member("elements", UInt64(survival.elementCount))
          writer.member("changed_share", survival.changedShare as Double?)
          writer.member("kept_energy", survival.keptEnergy as Double?)
          writer.member("along", survival.along as Double?)
        }
      }
    }
  }
}

/// The energy of a whole change that rounding keeps.
struct TotalSurvival {
  let survival: Survival
  /// True if values went back to codes.
  let isRequantised: Bool

  /// Below this a user should know of it.
  fileprivate static let smallest = 0.5
  /// From here on it is what rounding costs everybody.
  private static let nearlyAll = 0.9
  /// From here on there is nothing to say.
  private static let allButAll = 0.9999

  /// A note, or a warning where most of the change is gone; nothing where it is all there.
  var lines: [(kind: String, text: String)] {
    guard survival.keptEnergy < Self.allButAll else { return [] }
    guard !isRequantised else { return [requantisedLine] }
    let text =
      "rounding keeps \(survival.keptEnergy.percent) of the change's energy, in "
      + "\(survival.changedShare.percent) of the elements"
    switch survival.keptEnergy {
    case Self.nearlyAll...: return [("note", text + ": no need to worry")]
    case Self.smallest...: return [("note", text + ": --dtype f32 keeps all of it")]
    default:
      return [("warning", text + ": most of the training is lost, --dtype f32 keeps it")]
    }
  }
}

extension TotalSurvival {
  fileprivate var requantisedLine: (kind: String, text: String) {
    let text =
      "quantising again keeps \(survival.keptEnergy.percent) of the change's energy, and "
      + "\(survival.along.percent) of the change apart from noise"
    guard survival.keptEnergy < Self.smallest else { return ("note", text) }
    return (
      "warning",
      text + ": most of the training is lost; --dequantize keeps it, or merge into the unquantised "
        + "original and quantise that"
    )
  }
}

/// Returns the line about tensors that come out as they were; nil if there are none.
func unchangedLine(
  _ unchanged: [Name], of applied: Receipt
) -> (kind: String, text: String)? {
  guard let first = unchanged.first else { return nil }
  guard unchanged.count < applied.changed.count else {
    return ("warning", "nothing is changed: every value comes out as it was")
  }
  let names = unchanged.count == 1 ? "\(first)" : "\(first) and \(unchanged.count - 1) more"
  return ("warning", "not changed, though the adapter is for them: \(names)")
}

/// The report of a merge that is only surveyed, for people and for programs.
struct SurveyReport {
  let survey: MergeSurvey
  let seconds: Double

  private static let shownCount = 12

  /// The tensors of which rounding leaves least.
  var text: String {
    let applied = survey.applied
    var lines = [
      "\(survey.changed.count.of("tensor")) would change "
        + "(\(survey.changedParameters.grouped) parameters), "
        + "\((applied.untouchedCount + survey.unchanged.count).grouped) would not"
    ]
    let sorted = survey.survival.sorted {
      ($0.value.keptEnergy, $0.key) < ($1.value.keptEnergy, $1.key)
    }
    if !sorted.isEmpty {
      lines += [""]
      lines += TextColumn.table(
        [
          TextColumn("energy kept", .right), TextColumn("changed", .right),
          TextColumn("tensor", .tail),
        ],
        sorted.prefix(Self.shownCount).map { name, survival in
          [survival.keptEnergy.percent, survival.changedShare.percent, name.text.escaped]
        }, indent: 2)
      let rest = sorted.count - Self.shownCount
      if rest > 0 { lines.append("  and \(rest.grouped) more, with more kept") }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  var lines: [(kind: String, text: String)] {
    let unchanged = [unchangedLine(survey.unchanged, of: survey.applied)].compactMap(\.self)
    let total = survey.survival.total(isRequantised: survey.isRequantised)?.lines ?? []
    return unchanged + total + survey.applied.adapters.flatMap { $0.lines(in: survey.applied) }
  }

  /// The document `adapter.merge-survey/1` of Spec/cli.md.
  var json: String {
    var writer = JSONWriter(style: .indented)
    writer.object { writer in
      writer.member("schema", "adapter.merge-survey/1")
      writer.key("adapters")
      writer.array { writer in
        for entry in survey.applied.adapters { writer.object { entry.write(to: &$0) } }
      }
      writer.member("changed", survey.changed.map(\.text))
      writer.member("unchanged", survey.unchanged.map(\.text))
      writer.member("created", survey.applied.created.map(\.text))
      writer.member("resized", survey.applied.resized.map(\.text))
      writer.member("untouched", UInt64(survey.applied.untouchedCount))
      survey.survival.write(to: &writer)
      writer.key("seconds")
      writer.number(seconds)
    }
    return String(decoding: writer.bytes, as: UTF8.self) + "\n"
  }
}

extension Double {
  /// A share of 1, with three digits.
  fileprivate var percent: String { (self * 100).short + " %" }
}

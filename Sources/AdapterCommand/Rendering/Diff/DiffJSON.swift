internal import AdapterInsight
internal import AdapterRuntime
internal import Operations
internal import Storage
internal import StrictJSON

/// The document `adapter.diff/1` of Spec/cli.md.
struct DiffJSON {
  let left: String
  let right: String
  let verdict: AdapterDifference.Verdict
  let file: [FieldDifference]
  let diffs: [AdapterDiff]
  let onlyLeft: [Name]
  let onlyRight: [Name]
  let tolerance: Double

  var text: String {
    var writer = JSONWriter(style: .indented)
    writer.object { writer in
      writer.member("schema", "adapter.diff/1")
      writer.member("left", left)
      writer.member("right", right)
      writer.member("verdict", verdict.rawValue)
      writer.member("tolerance", tolerance as Double?)
      writer.member("only_left", onlyLeft.map(\.text))
      writer.member("only_right", onlyRight.map(\.text))
      Self.encode(file, "metadata", &writer)
      writer.key("adapters")
      writer.array { writer in for diff in diffs { Self.encode(diff, &writer) } }
    }
    return String(decoding: writer.bytes, as: UTF8.self) + "\n"
  }

  private static func encode(
    _ fields: [FieldDifference], _ key: Name, _ writer: inout JSONWriter
  ) {
    writer.key(key)
    writer.array { writer in
      for field in fields {
        writer.object { writer in
          writer.member("area", field.area.rawValue)
          writer.member("field", field.field)
          writer.member("left", field.left)
          writer.member("right", field.right)
          if let count = field.count { writer.member("parameters", UInt64(count)) }
        }
      }
    }
  }

  private static func encode(_ diff: AdapterDiff, _ writer: inout JSONWriter) {
    writer.object { writer in
      writer.member("name", diff.name.text)
      writer.member("verdict", diff.verdict.rawValue)
      encode(diff.difference.fields, "fields", &writer)
      writer.key("targets")
      writer.array { writer in
        for target in diff.difference.effects?.targets ?? [] { encode(target, &writer) }
      }
      guard let measurement = diff.measurement else { return }
      writer.key("on_base")
      writer.array { writer in
        for tensor in measurement.tensors {
          writer.object { writer in
            writer.member("tensor", tensor.name.text)
            writer.member("weight_norm", tensor.weightNorm as Double?)
            if let change = tensor.change { members(change, &writer) }
          }
        }
      }
    }
  }

  private static func encode(_ target: EffectComparison.Target, _ writer: inout JSONWriter) {
    writer.object { writer in
      writer.member("target", target.name?.text)
      writer.member("operations", target.operations)
      writer.member("relation", target.relation.code)
      if let distance = target.relativeDistance {
        writer.member("relative_distance", distance as Double?)
      }
      writer.key("parts")
      writer.array { writer in
        for part in target.parts {
          writer.object { writer in
            writer.member("space", part.space.rawValue)
            members(part, &writer)
          }
        }
      }
      guard let prompt = target.prompt else { return }
      writer.member("rows", prompt.kind == .tokens ? "tokens" : "layers")
      writer.key("distances")
      writer.array { writer in for row in prompt.rows { writer.numbers(row) } }
    }
  }

  private static func members(_ part: PartComparison, _ writer: inout JSONWriter) {
    writer.member("left_norm", part.leftNorm as Double?)
    writer.member("right_norm", part.rightNorm as Double?)
    writer.member("distance", part.distance as Double?)
    writer.member("cosine", part.cosine)
    if let angles = part.outputAngles { writer.member("output_angles", angles.values) }
    if let angles = part.inputAngles { writer.member("input_angles", angles.values) }
  }
}

extension EffectComparison.Relation {
  /// The relation for programs.
  var code: String {
    switch self {
    case .compared: "compared"
    case .onlyLeft: "only_left"
    case .onlyRight: "only_right"
    case .otherKind: "other_kind"
    }
  }
}

internal import AdapterFormat
package import Operations
internal import Storage
internal import StrictJSON

/// Something that two adapters say differently, besides the values of their tensors.
public struct FieldDifference: Sendable, Hashable {
  /// The part of the adapter that it belongs to.
  public let area: Area
  /// Which field: `scale`, `lora_alpha`, `license`.
  public let field: String
  /// The value in the left adapter; nil if it has none.
  public let left: String?
  /// The value in the right adapter; nil if it has none.
  public let right: String?
  /// On how many parameters; nil for what is not of parameters.
  public let count: Int?

  /// A part of an adapter.
  public enum Area: String, Sendable, Hashable, CaseIterable {
    /// Its operations.
    case operation
    /// The adapter itself: its name, its method, its tensors.
    case adapter
    /// The base it was made for.
    case base
    /// The configuration that it came with.
    case configuration
    /// The file's metadata.
    case metadata
  }

  package init(
    _ area: Area, _ field: String, _ left: String?, _ right: String?, count: Int? = nil
  ) {
    self.area = area
    self.field = field
    self.left = left
    self.right = right
    self.count = count
  }
}

// MARK: - Finding them

extension FieldDifference {
  /// Returns the fields that differ between two adapters, the operations first.
  package static func all(_ left: Adapter, _ right: Adapter) -> [FieldDifference] {
    operations(left, right) + adapters(left, right) + bases(left.base, right.base)
      + configurations(left, right)
  }

  private static func operations(_ left: Adapter, _ right: Adapter) -> [FieldDifference] {
    let others = Dictionary(
      right.operationsByTarget.compactMap { group in group.target.map { ($0, group.operations) } },
      uniquingKeysWith: { first, _ in first })
    var order: [FieldDifference] = []
    var counts: [FieldDifference: Int] = [:]
    for group in left.operationsByTarget {
      guard let target = group.target, let theirs = others[target] else { continue }
      for difference in between(group.operations, theirs) {
        if counts[difference] == nil { order.append(difference) }
        counts[difference, default: 0] += 1
      }
    }
    return order.map {
      FieldDifference($0.area, $0.field, $0.left, $0.right, count: counts[$0])
    }
  }

  private static func between(
    _ left: [Operation], _ right: [Operation]
  ) -> [FieldDifference] {
    let names = [left, right].map { $0.map(\.name).joined(separator: ", ") }
    guard names[0] == names[1] else {
      return [FieldDifference(.operation, "operation", names[0], names[1])]
    }
    return zip(left, right).flatMap { mine, theirs in
      func text(_ operation: Operation, _ field: Field) -> String? {
        switch field {
        case .rank: operation.summary.rank.map { "\($0)" }
        case .scale:
          operation.summary.scale.map {
            $0 == $0.rounded() && abs($0) < 1e9 ? "\(Int($0))" : "\($0)"
          }
        case .traits:
          operation.summary.traits.isEmpty
            ? nil : operation.summary.traits.joined(separator: ", ")
        case .layout: operation.target?.layout?.rawValue
        }
      }
      return Field.allCases.compactMap { field -> FieldDifference? in
        let (old, new) = (text(mine, field), text(theirs, field))
        return old == new ? nil : FieldDifference(.operation, field.rawValue, old, new)
      }
    }
  }

  private enum Field: String, CaseIterable {
    case rank
    case scale
    case traits
    case layout
  }

  private static func adapters(_ left: Adapter, _ right: Adapter) -> [FieldDifference] {
    func types(_ adapter: Adapter) -> String {
      Set(adapter.tensors.map(\.type.rawValue)).sorted().joined(separator: ", ")
    }
    func files(_ adapter: Adapter) -> String? {
      adapter.files.isEmpty
        ? nil : adapter.files.map { "\($0.path) \($0.digest)" }.sorted().joined(separator: ", ")
    }
    let pairs = [
      ("name", left.name.text, right.name.text), ("method", left.method, right.method),
      ("element types", types(left), types(right)),
      ("tensors", "\(left.tensors.count)", "\(right.tensors.count)"),
    ]
    var all = pairs.filter { $0.1 != $0.2 }.map { FieldDifference(.adapter, $0.0, $0.1, $0.2) }
    if files(left) != files(right) {
      all.append(FieldDifference(.adapter, "files", files(left), files(right)))
    }
    return all
  }

  private static func bases(_ left: BaseRecord?, _ right: BaseRecord?) -> [FieldDifference] {
    let fields: [(String, String?, String?)] = [
      ("name", left?.name, right?.name), ("revision", left?.revision, right?.revision),
      ("architecture", left?.architecture, right?.architecture),
      (
        "fingerprint", left?.fingerprint?.digest.description,
        right?.fingerprint?.digest.description
      ),
    ]
    return fields.filter { $0.1 != $0.2 }.map { FieldDifference(.base, $0.0, $0.1, $0.2) }
  }

  /// The fields of two configurations, each as compact JSON.
  private static func configurations(_ left: Adapter, _ right: Adapter) -> [FieldDifference] {
    let (mine, theirs) = (left.configurationFields, right.configurationFields)
    // One that came from elsewhere has none to compare.
    guard let mine, let theirs else { return [] }
    return Set(mine.keys).union(theirs.keys).sorted().compactMap { key in
      guard mine[key]?.meaning(of: key) != theirs[key]?.meaning(of: key) else { return nil }
      return FieldDifference(.configuration, key.text, mine[key]?.text, theirs[key]?.text)
    }
  }
}

extension Adapter {
  /// The fields of its source's configuration; nil where it has none that can be read.
  fileprivate var configurationFields: [Name: JSONValue]? {
    guard let text = source?.config,
      case .object(let members) = try? JSONValue(document: Array(text.utf8), maximumDepth: 16)
    else { return nil }
    return Dictionary(members.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
  }
}

extension JSONValue {
  /// Compact JSON.
  fileprivate var text: String {
    var writer = JSONWriter()
    writer.value(self)
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  /// Returns the meaning of a field of PEFT's: nil for a default, written out or not; the sorted names for a list of
  /// names, which PEFT writes in any order.
  fileprivate func meaning(of field: Name) -> String? {
    switch self {
    case .null, .boolean(false), .object([]), .array([]): nil
    case .boolean(true) where Self.trueByDefault.contains(field): nil
    case .string("none") where field == "bias": nil
    case .array(let values) where values.allSatisfy(\.isString):
      values.map(\.text).sorted().joined(separator: ",")
    default: double == 0 && field == "lora_dropout" ? nil : text
    }
  }

  private static let trueByDefault: Set<Name> = [
    "init_lora_weights", "init_ia3_weights", "init_weights",
  ]

  private var isString: Bool {
    if case .string = self { true } else { false }
  }
}

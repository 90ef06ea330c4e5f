package import StrictJSON

/// How a family's parameters are called in files, where transformers has given their modules other names in
/// memory since, where adapters are trained.
///
/// A rule is a run of parts of a name and what stands there instead: `attention.q_proj>attention.self.query`.
/// `*` is a number and keeps its value; a rule that begins with `^` is for the beginning of a name. Of the
/// rules that fit, the first is applied, where it fits first, and no other. Most parts come first.
struct NameRules: Sendable, Hashable {
  /// The name of the rules in receipts: the model type that they were named for.
  let label: Name
  private let rules: [Rule]
  /// For the first part of a rule which rules begin so.
  private let places: [Name: [Int]]
  /// The beginnings that names in files lack, or have in addition, compared with those that the rules make.
  private var dropped: Name?
  private var added: Name?

  private struct Rule: Sendable, Hashable {
    let memory: [Name]
    let files: [Name]
    let isAnchored: Bool
  }

  /// The rules of this label; nil where there are none.
  init?(label: Name) {
    guard let line = FamilyTable.line(label, of: FamilyTable.names) else { return nil }
    self.label = label
    rules = line.names("rules").compactMap { text in
      let isAnchored = text.hasPrefix("^")
      let sides = text.dropFirst(isAnchored ? 1 : 0).text.utf8.split(
        separator: UInt8(ascii: ">"), omittingEmptySubsequences: false
      ).map { Name(String($0) ?? "") }
      guard sides.count == 2 else { return nil }
      return Rule(memory: sides[0].parts, files: sides[1].parts, isAnchored: isAnchored)
    }
    places = Dictionary(grouping: rules.indices) { [rules] in rules[$0].memory.first ?? "" }
  }

  /// The name in files of a name in memory.
  func inFiles(_ name: Name) -> Name {
    let name = renamed(name)
    if let added { return Name("\(added)\(name)") }
    guard let dropped, name.hasPrefix(dropped) else { return name }
    return name.dropFirst(dropped.text.utf8.count)
  }

  private func renamed(_ name: Name) -> Name {
    let parts = name.parts
    var best: (rule: Int, start: Int)?
    for (start, part) in parts.enumerated() {
      for key in part.isNumber ? [part, "*"] : [part] {
        for rule in places[key] ?? [] where best.map({ rule < $0.rule }) ?? true {
          if fits(rules[rule], parts, at: start) { best = (rule, start) }
        }
      }
    }
    guard let best else { return name }
    let rule = rules[best.rule]
    let range = best.start..<best.start + rule.memory.count
    var numbers = zip(rule.memory, parts[range]).filter { $0.0 == "*" }.map(\.1)[...]
    let files = rule.files.map { $0 == "*" ? numbers.popFirst() ?? $0 : $0 }
    let renamed = parts[..<range.lowerBound] + files + parts[range.upperBound...]
    return Name(renamed.map(\.text).joined(separator: "."))
  }

  private func fits(_ rule: Rule, _ parts: [Name], at start: Int) -> Bool {
    guard start == 0 || !rule.isAnchored, start + rule.memory.count <= parts.count else {
      return false
    }
    return zip(rule.memory, parts[start...]).allSatisfy { $0 == $1 || ($0 == "*" && $1.isNumber) }
  }
}

extension NameRules {
  /// The rules by which a checkpoint's names may be found: those of its family, also for the checkpoint of a
  /// bare model and a model with a head, and the other way round; of all families where its own is not known.
  static func candidates(for checkpoint: Checkpoint) -> [NameRules] {
    guard let family = checkpoint.family else { return AnyFamily.olderRules + AnyFamily.rules }
    var own: [NameRules] = []
    if let rules = family.rulesLabel.flatMap({ NameRules(label: $0) }) {
      own.append(rules)
      if let prefix = family.prefix.map({ Name("\($0).") }) {
        var (shorter, longer) = (rules, rules)
        shorter.dropped = prefix
        longer.added = prefix
        own += [shorter, longer]
      }
    }
    return own + AnyFamily.olderRules
  }
}

extension Name {
  /// The parts between its dots; none for an empty name.
  fileprivate var parts: [Name] {
    text.isEmpty
      ? []
      : text.utf8.split(
        separator: UInt8(ascii: "."), omittingEmptySubsequences: false
      ).map { Name(String($0) ?? "") }
  }

  fileprivate var isNumber: Bool {
    !text.isEmpty && text.utf8.allSatisfy { $0 &- UInt8(ascii: "0") < 10 }
  }
}

/// The names of a checkpoint's parameters in files, by its family; none if that is not known.
package struct FamilyNames: Sendable {
  private let rules: [NameRules]
  private let checkpoint: Checkpoint

  package init(_ checkpoint: Checkpoint) {
    self.checkpoint = checkpoint
    rules = checkpoint.family == nil ? [] : NameRules.candidates(for: checkpoint)
  }

  /// The stored name of a parameter that has another in memory; nil where the checkpoint has none.
  package func stored(for name: Name) -> Name? {
    rules.lazy.map { $0.inFiles(name) }.first { $0 != name && checkpoint.tensor($0) != nil }
  }
}

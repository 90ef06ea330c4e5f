internal import AdapterRuntime
internal import Operations
internal import Checkpoints
internal import Storage
internal import StrictJSON

/// The answer of `adapter check`.
struct CheckAnswer {
  let base: String
  let check: BaseCheck

  /// Names that are shown for people; JSON has all.
  private static let shownNames = 5

  /// The answer for people: an entry for each adapter, and a line for all.
  var text: String {
    (check.adapters.map(Self.lines).joined() + [conclusion]).map { $0.escaped + "\n" }.joined()
  }

  private var conclusion: String {
    guard let receipt = check.receipt else { return "a merge would be refused" }
    guard !check.changesNothing else { return "a merge would succeed, and change nothing" }
    return "a merge would succeed: \(receipt.changed.count.of("tensor")) changed "
      + "(\(receipt.changedParameters.grouped) parameters), \(receipt.untouchedCount.grouped) untouched"
  }

  private static func lines(of entry: BaseCheck.Entry) -> [String] {
    var facts: [(String, String)] = []
    if let refusal = entry.refusal {
      facts.append(("refused", refusal.description))
      if let hint = refusal.hint { facts.append(("hint", hint)) }
    } else if let verdict = entry.applied?.verdict {
      facts.append(("base", verdict.sentence))
    }
    if let applied = entry.applied { facts.append(("names", applied.bound.rule.description)) }
    if let changed = entry.changedCount {
      let created = entry.createdCount ?? 0
      facts.append(
        ("changes", changed.of("tensor") + (created > 0 ? ", \(created.grouped) of them new" : "")))
    }
    if entry.isNeutral { facts.append(("warning", "changes nothing on any base: was it trained?")) }
    // Of a base that is near every quantised parameter differs, which is said already.
    let differing = entry.near == nil ? entry.differing : []
    facts += differing.prefix(shownNames).map { ("differs", $0) }
    let more = differing.count - shownNames
    if more > 0 { facts.append(("", "and \(more.grouped) more, which --json lists")) }
    facts += entry.notes.map { ("note", $0) }
    let weight = entry.adapter.weight == 1 ? "" : ", weight \(entry.adapter.weight.exact)"
    return [entry.adapter.label + weight] + facts.map { "  \($0.0.padded(to: 8))  \($0.1)" }
  }

  /// The document `adapter.check/1` of Spec/cli.md.
  var json: String {
    var writer = JSONWriter(style: .indented)
    writer.object { writer in
      writer.member("schema", "adapter.check/1")
      writer.member("base", base)
      writer.key("accepted")
      writer.boolean(check.isAccepted)
      writer.key("changes_nothing")
      writer.boolean(check.changesNothing)
      writer.key("adapters")
      writer.array { writer in
        for entry in check.adapters { writer.object { entry.write(to: &$0) } }
      }
      writer.member("changed", (check.receipt?.changed ?? []).map(\.text))
      writer.member("created", (check.receipt?.created ?? []).map(\.text))
      writer.member("resized", (check.receipt?.resized ?? []).map(\.text))
    }
    return String(decoding: writer.bytes, as: UTF8.self) + "\n"
  }
}

extension BaseCheck.Entry {
  /// An entry of `adapters`.
  fileprivate func write(to writer: inout JSONWriter) {
    writer.member("path", adapter.label)
    writer.member("name", adapter.adapter.name.text)
    writer.member("method", adapter.adapter.method)
    writer.key("weight")
    writer.number(adapter.weight)
    writer.key("accepted")
    writer.boolean(refusal == nil)
    writer.member("verdict", verdictCode)
    writer.member("differing", differing)
    writer.key("near")
    if let near { near.write(to: &writer) } else { writer.null() }
    writer.member("binding", applied?.bound.rule.description)
    writer.key("changes_nothing")
    writer.boolean(isNeutral)
    write(changedCount, as: "changed", to: &writer)
    write(createdCount, as: "created", to: &writer)
    writer.member("refusal", refusal?.description)
    writer.member("hint", refusal?.hint)
    writer.member("notes", notes)
  }

  fileprivate var near: BaseVerdict.Nearness? {
    if case .near(let near)? = applied?.verdict { near } else { nil }
  }

  private func write(_ count: Int?, as key: Name, to writer: inout JSONWriter) {
    writer.key(key)
    if let count { writer.integer(count) } else { writer.null() }
  }
}

extension BaseVerdict.Nearness {
  fileprivate func write(to writer: inout JSONWriter) {
    writer.object { writer in
      writer.member("scheme", scheme.rawValue)
      writer.member("distance", distance as Double?)
      writer.member("distance_in_changes", distanceInChanges)
    }
  }
}

internal import AdapterFormat
internal import AdapterInterop
internal import Operations
internal import Storage
internal import StrictJSON

extension ModelCard {
  typealias Fact = (name: String, value: String)

  /// The facts of one adapter.
  func facts(of inspection: Inspection) -> [Fact] {
    let adapter = inspection.adapter
    let summaries = inspection.groups.map(\.summary)
    let training = TrainingFacts(of: adapter)
    let method = ([training.method] + training.variants).joined(separator: ", ")
    var facts: [Fact] = [("method", MarkdownText.inline(method))]
    let ranks = Set(summaries.compactMap(\.rank)).sorted()
    if !ranks.isEmpty { facts.append(("rank", ranks.map { "\($0)" }.joined(separator: ", "))) }
    if let alpha = training.alpha { facts.append(("alpha", alpha.short)) }
    let scales = Set(summaries.compactMap(\.scale)).sorted()
    if !scales.isEmpty { facts.append(("scale", scales.map(\.short).joined(separator: ", "))) }
    facts += inspection.groups.operationFacts
    facts.append(
      (
        "parameters",
        "\(inspection.parameterCount.grouped) in \(AdapterListing.tensors(inspection))"
      ))
    facts.append(("size", AdapterListing.size(inspection)))
    if let digest = inspection.weightsDigest {
      facts.append(("weights", MarkdownText.code(digest.description)))
    }
    if let source = adapter.source {
      facts.append(("source", MarkdownText.code(source.format)))
    }
    let carried = adapter.files.map { MarkdownText.code($0.path.text) }
    if !carried.isEmpty { facts.append(("files with it", carried.joined(separator: ", "))) }
    return facts
  }

  /// The facts that all adapters of the file share.
  var commonFacts: [Fact] {
    var facts: [Fact] = []
    let words = [baseName, base?.revision.map { "at \($0)" }, base?.architecture.map { "(\($0))" }]
    let name = words.compactMap(\.self).map(MarkdownText.inline).joined(separator: " ")
    facts.append(("base", name.isEmpty ? "not recorded" : name))
    if let fingerprint = self.base?.fingerprint {
      facts.append(
        (
          "fingerprint of the base",
          "\(MarkdownText.code(fingerprint.digest.description)) of "
            + fingerprint.tensors.count.of("tensor")
        ))
    }
    if let author = entry("author") { facts.append(("author", MarkdownText.inline(author))) }
    if let phrase = entry("trigger_phrase") {
      facts.append(("words that a prompt needs", MarkdownText.inline(phrase)))
    }
    if let hint = entry("usage_hint") { facts.append(("hint", MarkdownText.inline(hint))) }
    if let sources = entry("merged_from") {
      facts.append(("merged from", MarkdownText.inline(sources)))
    }
    if let file {
      facts.append(("manifest", MarkdownText.code(file.digest.description)))
      if let generator = file.manifest.generator {
        facts.append(("made by", MarkdownText.inline(generator)))
      }
    }
    return facts
  }
}

extension [Inspection.OperationGroup] {
  /// The parameters that each kind of operation changes, by the last parts of their names.
  fileprivate var operationFacts: [ModelCard.Fact] {
    var order: [String] = []
    var targets: [String: [Name]] = [:]
    for group in self {
      if targets[group.op] == nil { order.append(group.op) }
      targets[group.op, default: []] += group.targets
    }
    return order.map { op in
      let names = targets[op] ?? []
      let leaves = names.map(\.leafModule).unique
      let shown = leaves.prefix(24).map(MarkdownText.code).joined(separator: ", ")
      let rest = leaves.count > 24 ? " and \(leaves.count - 24) more" : ""
      let words =
        names.isEmpty ? "at run time only" : "\(names.count.of("parameter")): \(shown)\(rest)"
      return (MarkdownText.code(op), words)
    }
  }
}

internal import Storage
package import StrictJSON

/// Parameters of a checkpoint that share one stored tensor, and so may be absent under all but one of their
/// names: the output layer and the input embeddings of most language models.
///
/// | model | stored as | also called |
/// |---|---|---|
/// | Llama | `model.embed_tokens.weight` | `lm_head.weight` |
/// | T5 | `shared.weight` | `lm_head.weight`, `encoder.embed_tokens.weight`, `decoder.embed_tokens.weight` |
/// | BERT | `cls.predictions.bias` | `cls.predictions.decoder.bias` |
/// | Zamba | `model.layers.2.shared_transf.…` | `model.layers.7.shared_transf.…`, … |
package struct TiedParameters: Sendable {
  private let checkpoint: Checkpoint
  /// Names, or modules, of one tensor each: the one that is stored first.
  private let groups: [[Name]]
  /// Which groups a name is in.
  private let places: [Name: [Int]]
  /// The checkpoint's names for names of another of the family's spellings.
  private let spellings: [Name: Name]
  private let holdsModules: Bool
  /// True if the model ties its weights, as far as its configuration says; nil if the weights decide.
  private let isTied: Bool?
  private let hasRow: Bool

  /// Looks at a checkpoint's configuration.
  package init(_ checkpoint: Checkpoint) {
    let family = checkpoint.family
    let isTied = Self.isTied(checkpoint.config, family)
    let own = checkpoint.config?.architecture.flatMap { family?.ties(ofClass: Name($0)) }
    let spelling = Spelling(family, own, in: checkpoint)
    var groups = spelling.groups
    // What is tied in a model that no row fits, or whose row does not, goes by the names of its modules.
    let canBeOther = own.map { !$0.isEmpty } ?? true
    if isTied == true, canBeOther, !spelling.fits { groups.append(Self.vocabulary(of: checkpoint)) }
    self.checkpoint = checkpoint
    self.groups = groups
    self.isTied = isTied
    hasRow = family != nil
    spellings = spelling.others
    places = Dictionary(
      grouping: groups.enumerated().flatMap { place, group in group.map { ($0, place) } }, by: \.0
    ).mapValues { $0.map(\.1) }
    holdsModules = groups.contains { group in
      group.contains { !$0.hasSuffix(".weight") && !$0.hasSuffix(".bias") }
    }
  }

  /// Returns true if the weights are tied by the configuration, by its part for the language model, or else by the
  /// family; in a model of several parts, by the family of the language model. Returns nil if the weights decide.
  private static func isTied(_ config: ModelConfig?, _ family: ModelFamily?) -> Bool? {
    let inner = config?.languageModel
    switch (config?.tiesWordEmbeddings, inner?.tiesWordEmbeddings) {
    case (true?, _): return true
    // Versions of transformers differ in which of the two they go by: the weights decide.
    case (false?, true?): return nil
    case (let outer?, _): return outer
    case (nil, let inner?): return inner
    case (nil, nil):
      let decisive = inner?.modelType.map { ModelFamily(type: Name($0)) } ?? family
      return decisive?.tiesByDefault == true ? true : nil
    }
  }

  /// The input embeddings that are stored, and the output layer; nothing where there are none.
  private static func vocabulary(of checkpoint: Checkpoint) -> [Name] {
    let inputs = checkpoint.names.filter(AnyFamily.isInputEmbedding).sorted()
    let output = checkpoint.names.filter(AnyFamily.isOutputLayer).min() ?? "lm_head.weight"
    return inputs.isEmpty ? [] : [inputs[0], output] + inputs.dropFirst()
  }

  // MARK: - Questions

  /// The stored tensor that `name` is tied to; nil where the checkpoint stores none of those it could be, or
  /// the parameter itself.
  package func stored(for name: Name) -> Name? {
    let isStored = { (name: Name) in checkpoint.tensor(name) != nil }
    let own = spelled(name)
    guard own == name || !isStored(own) else { return nil }
    for (group, place) in memberships(of: own) {
      // A tensor of its own is what is looked for first.
      if place == 0, isStored(own) { continue }
      if let other = group.first(where: { $0 != own && isStored($0) }) { return other }
    }
    return nil
  }

  /// All other parameters that the model computes from the same tensor as `stored`.
  package func partners(of stored: Name) -> [Name] {
    let isStored = { (name: Name) in checkpoint.tensor(name) != nil }
    let found = memberships(of: stored)
    let sources = found.filter { $0.place == 0 }.map { $0.group.dropFirst() }
    if let others = sources.first(where: { $0.contains(where: isStored) }) ?? sources.first {
      // Without a word: tied, where no other of them is stored.
      return isTied ?? !others.contains(where: isStored) ? Array(others) : []
    }
    guard isTied == true, let first = found.first?.group else { return [] }
    if let source = found.map({ $0.group[0] }).first(where: isStored) { return [source] }
    // It is stored in the place of the source. Of all families together the first group says nothing.
    return hasRow ? first.filter { $0 != stored } : []
  }

  /// Returns the checkpoint's name for a parameter, stored or not, where its family has several spellings.
  package func spelled(_ name: Name) -> Name { spellings[name] ?? name }

  /// The groups that a parameter is in and its place in each, the first being that of the stored name. Of
  /// modules the groups become those of their parameters.
  private func memberships(of name: Name) -> [(group: [Name], place: Int)] {
    if let found = places[name] {
      return found.map { (groups[$0], groups[$0].firstIndex(of: name) ?? 0) }
    }
    guard holdsModules else { return [] }
    var module = name
    while let dot = module.text.utf8.lastIndex(of: UInt8(ascii: ".")) {
      module = Name(String(module.text[..<dot]))
      guard let found = places[module] else { continue }
      let rest = name.dropFirst(module.text.utf8.count)
      return found.map { place in
        let group = groups[place].map { Name($0.text + rest.text) }
        return (group, group.firstIndex(of: name) ?? 0)
      }
    }
    return []
  }
}

/// The names that a checkpoint uses of those that its family has for tied parameters: those in memory, those
/// in files, or either without the prefix of a model with a head.
private struct Spelling {
  let groups: [[Name]]
  /// Names of other spellings, and what they are in this one.
  var others: [Name: Name] = [:]
  /// True if any of the names is stored.
  let fits: Bool

  /// - Parameters:
  ///   - family: the family; all of them where it is nil.
  ///   - own: the ties of the checkpoint's class, where it is known.
  ///   - checkpoint: the checkpoint.
  init(_ family: ModelFamily?, _ own: [[Name]]?, in checkpoint: Checkpoint) {
    let isStored = { (name: Name) in checkpoint.tensor(name) != nil }
    guard let family else {
      groups = AnyFamily.ties
      fits = groups.contains { $0.contains(where: isStored) }
      return
    }
    let ties = own ?? Self.merged(family.ties)
    var spellings = [ties]
    if let rules = family.rulesLabel.flatMap({ NameRules(label: $0) }) {
      spellings.insert(ties.map { $0.map(rules.inFiles) }, at: 0)
    }
    if own != nil, let prefix = family.prefix.map({ Name("\($0).") }) {
      let count = prefix.text.utf8.count
      spellings.append(ties.map { $0.map { $0.hasPrefix(prefix) ? $0.dropFirst(count) : $0 } })
    }
    let counts = spellings.map { $0.reduce(0) { $0 + $1.count(where: isStored) } }
    let best = counts.max() ?? 0
    groups = spellings[counts.firstIndex(of: best) ?? 0]
    fits = best > 0
    for spelling in spellings {
      for (name, chosen) in zip(spelling.joined(), groups.joined()) where name != chosen {
        others[name] = chosen
      }
    }
  }

  /// The ties of all classes: one group for each stored name.
  private static func merged(_ ties: [[Name]]) -> [[Name]] {
    var groups: [[Name]] = []
    for tie in ties {
      if let place = groups.firstIndex(where: { $0.first == tie.first }) {
        groups[place] += tie.filter { !groups[place].contains($0) }
      } else {
        groups.append(tie)
      }
    }
    return groups
  }
}

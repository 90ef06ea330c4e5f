package import StrictJSON

/// The likely properties of a model of unknown family, from all families together.
package enum AnyFamily {
  /// Parameters that share a tensor, as `ModelFamily.ties` has them but in files; those of most families first.
  static let ties = line("ties")?.lists("groups") ?? []

  /// Stacks of experts; those of most families first.
  static let stacks = (line("experts")?.lists("stacks") ?? []).compactMap { ExpertStack($0) }

  /// The rules for names of all families; those of most families first.
  static let rules = (line("names")?.names("labels") ?? []).compactMap { NameRules(label: $0) }

  /// Rules for the names of files that are older than the models' families.
  static let olderRules = (line("names")?.names("older") ?? []).compactMap { NameRules(label: $0) }

  /// Last parts of the names of layers that some family stores [in, out].
  package static let transposedLeaves = Set(line("transposed")?.names("leaves") ?? [])

  private static let inputLeaves = Set(line("vocabulary")?.names("input") ?? [])
  private static let outputLeaves = Set(line("vocabulary")?.names("output") ?? [])

  private static func line(_ key: Name) -> TableLine? {
    FamilyTable.line(key, of: FamilyTable.general)
  }

  /// Returns true if a parameter has a row for each token of a vocabulary, by the name of its module.
  package static func isVocabulary(_ parameter: Name) -> Bool {
    isInputEmbedding(parameter) || isOutputLayer(parameter)
  }

  /// Returns true if a parameter is the weight of an input embedding, by the name of its module.
  package static func isInputEmbedding(_ parameter: Name) -> Bool {
    inputLeaves.contains(leaf(of: parameter))
  }

  /// Returns true if a parameter is the weight of an output layer, by the name of its module.
  package static func isOutputLayer(_ parameter: Name) -> Bool {
    outputLeaves.contains(leaf(of: parameter))
  }

  /// `LEAF` of `….LEAF.weight`; empty for another parameter.
  private static func leaf(of parameter: Name) -> Name {
    guard parameter.hasSuffix(".weight") else { return "" }
    return parameter.dropLast(".weight".utf8.count).lastPart
  }
}

extension Name {
  /// The part behind the last dot; the whole name if there is none.
  package var lastPart: Name {
    guard let dot = text.utf8.lastIndex(of: UInt8(ascii: ".")) else { return self }
    return Name(String(text[text.utf8.index(after: dot)...]))
  }
}

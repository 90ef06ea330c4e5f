package import StrictJSON

/// A task that a model's head is trained for.
public enum ModelTask: String, Sendable, CaseIterable {
  /// A class for a text, or a number for it.
  case sequenceClassification = "sequence"
  /// A class for each token.
  case tokenClassification = "token"
  /// Where in a text an answer begins and ends.
  case questionAnswering = "answer"

  /// How the names of its classes end in transformers.
  var classEnding: Name {
    switch self {
    case .sequenceClassification: "ForSequenceClassification"
    case .tokenClassification: "ForTokenClassification"
    case .questionAnswering: "ForQuestionAnswering"
    }
  }
}

extension ModelFamily {
  /// The class of a model with a new head.
  ///
  /// - Parameters:
  ///   - heads: the first components of the head's modules.
  ///   - task: what it is for; nil where nobody says so, which the names may settle.
  /// - Returns: the class; nil where several could be meant, or none is known.
  package func classOfHead(_ heads: Set<Name>, for task: ModelTask?) -> Name? {
    if let task { return onlyClass(endingWith: [task.classEnding]) }
    let tasks = ModelTask.allCases.filter { !heads.isDisjoint(with: self.heads(for: $0)) }
    let exact = tasks.filter { Set(self.heads(for: $0)) == heads }
    if let task = tasks.count == 1 ? tasks.first : exact.count == 1 ? exact.first : nil {
      return onlyClass(endingWith: [task.classEnding])
    }
    guard tasks.isEmpty, !hasHeads else { return nil }
    return onlyClass(endingWith: Self.endingsOfOtherSenses)
  }

  /// The modules that a class has beside what all models of the family have.
  package func heads(ofClass name: Name) -> [Name] {
    ModelTask.allCases.first { name.hasSuffix($0.classEnding) }.map { heads(for: $0) } ?? []
  }

  /// Of models that see or hear the table knows the classes, and not the heads.
  private static let endingsOfOtherSenses: [Name] = [
    "ForImageClassification", "ForVideoClassification", "ForAudioClassification",
    "ForSequenceClassification",
  ]

  private func onlyClass(endingWith endings: [Name]) -> Name? {
    let found = classNames.filter { name in endings.contains(where: name.hasSuffix) }
    return found.count == 1 ? found[0] : nil
  }
}

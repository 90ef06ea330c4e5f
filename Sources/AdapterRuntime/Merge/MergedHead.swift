internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// A head that a merge adds to a model, as `config.json` has to say it: transformers builds a model by its class, and the
/// head by the number of labels.
struct MergedHead {
  /// The parameter that has a row for each label.
  let weight: Name
  let labelCount: Int
  /// The class of the result; nil where nothing says which one.
  let architecture: Name?
  /// Modules that such a model needs beside, and that neither the base nor an adapter has.
  let missing: [Name]
  /// True if the rows are labels; for question answering they are the beginning and the end of the answer.
  let hasLabels: Bool

  /// Nil where no head is new, or it is the output layer of a language model.
  init?(_ view: AdaptedCheckpoint, _ task: ModelTask?) {
    let family = view.checkpoint.family
    let weights = view.tensors.filter { tensor in
      let name = tensor.info.name
      return tensor.kind == .created && tensor.origin == nil && name.hasSuffix(".weight")
        && tensor.info.shape.dimensions.count == 2 && !AnyFamily.isVocabulary(name)
        && family?.isVocabulary(name) != true
    }
    guard let last = Self.last(of: weights) else { return nil }
    weight = last.info.name
    labelCount = last.info.shape.dimensions[0]
    let modules = Set(
      weights.compactMap { $0.info.name.text.split(separator: ".").first.map { Name(String($0)) } })
    let found = family?.classOfHead(modules, for: task)
    let names = view.names
    let needed = found.flatMap { family?.heads(ofClass: $0) } ?? []
    missing = needed.filter { module in
      let start = Name("\(module).")
      return !names.contains { $0.hasPrefix(start) }
    }
    // Half a head is a guess, unless the adapter says what it was trained for.
    architecture = missing.isEmpty || task != nil ? found : nil
    hasLabels = architecture?.hasSuffix("ForQuestionAnswering") != true
  }

  /// Of a head of several layers the one that comes last.
  private static func last(of weights: [AdaptedTensor]) -> AdaptedTensor? {
    let names: [Name] = [
      "out_proj.weight", "classifier.weight", "score.weight", "qa_outputs.weight",
    ]
    let named = names.lazy.compactMap { name in weights.first { $0.info.name.hasSuffix(name) } }
    return named.first ?? weights.min { $0.info.shape.dimensions[0] < $1.info.shape.dimensions[0] }
  }

  /// Says so in a configuration.
  func write(to config: inout ConfigText) {
    guard let architecture else { return }
    config.setWhole("architectures", to: "[\n    \"\(architecture)\"\n  ]")
    guard hasLabels else { return }
    // It would be stronger than the names of the labels.
    config.removeWhole("num_labels")
    guard config.memberCount(of: "id2label") != labelCount else { return }
    let numbers = 0..<labelCount
    let names = numbers.map { "    \"\($0)\": \"LABEL_\($0)\"" }.joined(separator: ",\n")
    let places = numbers.map { "    \"LABEL_\($0)\": \($0)" }.joined(separator: ",\n")
    config.setWhole("id2label", to: "{\n\(names)\n  }")
    config.setWhole("label2id", to: "{\n\(places)\n  }")
  }

  /// The note about the head for the user.
  var note: String {
    guard let architecture else {
      return
        "\(weight) is new, with \(labelCount) rows, and the model's new class is not known: "
        + "config.json is as it was; --config takes one that says it"
    }
    return "config.json: \(architecture)"
      + (hasLabels ? " with \(labelCount) label\(labelCount == 1 ? "" : "s")" : "")
      + (missing.isEmpty
        ? ""
        : "; neither base nor adapter has its \(missing[0]), which transformers makes at random")
  }
}

internal import Operations
internal import Storage
internal import StrictJSON
internal import SystemPackage

// What can stand against loading a model, and against running it with adapters, each in its words.

extension AdapterError {
  /// Nothing says what kind of model it is, or it is one that this version cannot run.
  static func architecture(_ path: FilePath, _ what: String) -> Self {
    AdapterError(
      .architecture, at: [path.string], "\(path): \(what)",
      advice: "models of type \(runnable.dropLast().joined(separator: ", ")) and "
        + "\(runnable.last ?? "") can be run")
  }

  /// The model types that can be run.
  private static let runnable = DecoderKind.all.flatMap { $0.modelTypes.map(\.type) }

  /// `config.json` is missing, malformed, or lacks a value.
  static func config(_ path: FilePath, _ what: String) -> Self {
    AdapterError(.configuration, at: [path.string], "\(path): \(what)")
  }

  /// A weight that the model needs is not in the checkpoint.
  static func missingTensor(_ name: Name) -> Self {
    AdapterError(.missingTensor, at: [name.text], "the base has no tensor \(name)")
  }

  /// The checkpoint stores a bias that the model has not, as its configuration says.
  static func unexpectedBias(_ name: Name) -> Self {
    AdapterError(
      .configuration, at: [name.text],
      "the base stores \(name), and its config.json says that there is no such bias")
  }

  /// The checkpoint stores a weight in its layers that a model of its type has not.
  static func unusedWeight(_ name: Name) -> Self {
    AdapterError(
      .configuration, at: [name.text],
      "the base stores \(name), which a model of its type does not have")
  }

  /// A weight has another shape than the configuration says.
  static func otherShape(_ name: Name, expected: [Int], found: Shape) -> Self {
    AdapterError(
      .shape, at: [name.text],
      "the base's \(name) has shape \(found), its config.json says \(expected)"
    )
  }

  /// A weight is stored in a type that cannot be run.
  static func unrunnableType(_ name: Name, _ type: ElementType) -> Self {
    AdapterError(
      .type, at: [name.text], "the base stores \(name) as \(type.rawValue), which cannot be run",
      advice: "dequantise it, or take the unquantised original")
  }

  /// An adapter's prompt or prefix is not for a model of this size.
  static func misfit(_ what: String) -> Self { AdapterError(.misfit, what) }

  /// Adapters change a tensor that running the model does not use.
  static func unusedTensor(_ name: Name) -> Self {
    AdapterError(
      .misfit, at: [name.text], "the adapters change \(name), which running the model does not use")
  }

  /// A weight holds values that are not finite.
  static func nonfiniteWeight(_ name: Name) -> Self {
    AdapterError(
      .nonfinite, at: [name.text], "the base's \(name) holds values that are not finite")
  }

  /// The adapter's effect has to be made part of the weights when the model is loaded.
  static func notBesideWeights(_ name: Name) -> Self {
    AdapterError(
      .notBesideWeights, at: [name.text],
      "what it does to \(name) has to be made part of the weights",
      advice: "name it when the model is loaded")
  }

  /// Two adapters, or their weights, do not go together.
  static func cannotJoin(_ what: String) -> Self { AdapterError(.conflict, what) }

  /// The input has more tokens than the model has positions.
  static func tooLong(tokens: Int, positions: Int) -> Self {
    AdapterError(
      .text, "\(tokens) tokens, and the model has \(positions) positions",
      advice: "shorten the prompt, or ask for fewer new tokens")
  }

  /// A token is not one of the model's.
  static func unknownToken(_ id: Int32, vocabularySize: Int) -> Self {
    AdapterError(.text, "there is no token \(id): the model has \(vocabularySize)")
  }

  /// There is nothing to continue.
  static var noTokens: Self {
    AdapterError(.text, "there is no token to begin with", advice: "give a prompt")
  }

  /// A logit is not finite.
  static func nonfiniteLogits(position: Int) -> Self {
    AdapterError(
      .nonfinite, "the logits after position \(position) are not finite",
      advice: "the weights or the adapter are damaged, or of too large values")
  }
}

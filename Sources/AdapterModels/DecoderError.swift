public import AdapterRuntime
public import Storage
public import StrictJSON
public import SystemPackage

/// Why a model cannot be loaded, or cannot run.
@nonexhaustive
public enum DecoderError: Error, Sendable {
  /// Nothing says what kind of model it is, or it is one that this version cannot run.
  case architecture(FilePath, String)
  /// `config.json` is missing, malformed, or lacks a value.
  case config(FilePath, String)
  /// A weight that the model needs is not in the checkpoint.
  case missingTensor(Name)
  /// The checkpoint stores a bias that the model has not, as its configuration says.
  case unexpectedBias(Name)
  /// A weight has another shape than the configuration says.
  case shape(Name, expected: [Int], found: Shape)
  /// A weight is stored in a type that cannot be run.
  case type(Name, ElementType)
  /// An adapter's prompt or prefix is not for a model of this size.
  case misfit(adapter: Name, String)
  /// Adapters change a tensor that running the model does not use.
  case unusedChange(Name)
  /// A weight holds values that are not finite.
  case nonfiniteWeight(Name)
  /// What the adapter does has to be made part of the weights when the model is loaded.
  case notBesideWeights(adapter: Name, Name)
  /// Two adapters, or their weights, do not go together.
  case conflict(String)
  /// The input has more tokens than the model has positions.
  case tooLong(tokens: Int, positions: Int)
  /// A token is not one of the model's.
  case unknownToken(Int32, vocabularySize: Int)
  /// There is nothing to continue.
  case noTokens
  /// A logit is not finite.
  case nonfiniteLogits(position: Int)
  /// An adapter cannot be applied to this base.
  case runtime(adapter: Name, RuntimeError)
  /// The weights cannot be read, or what adapters make of them cannot be used.
  case weights(RuntimeError)
}

extension DecoderError: CustomStringConvertible {
  /// One line for people.
  public var description: String {
    switch self {
    case .architecture(let path, let what): "\(path): \(what)"
    case .config(let path, let what): "\(path): \(what)"
    case .missingTensor(let name): "the base has no tensor \(name)"
    case .unexpectedBias(let name):
      "the base stores \(name), and its config.json says that there is no such bias"
    case .shape(let name, let expected, let found):
      "the base's \(name) has shape \(found), its config.json says \(expected)"
    case .type(let name, let type):
      "the base stores \(name) as \(type.rawValue), which cannot be run"
    case .misfit(let adapter, let what): "\(adapter): \(what)"
    case .notBesideWeights(let adapter, let name):
      "\(adapter): what it does to \(name) has to be made part of the weights"
    case .unusedChange(let name):
      "the adapters change \(name), which running the model does not use"
    case .nonfiniteWeight(let name): "the base's \(name) holds values that are not finite"
    case .conflict(let what): what
    case .tooLong(let tokens, let positions):
      "\(tokens) tokens, and the model has \(positions) positions"
    case .unknownToken(let id, let size):
      "there is no token \(id): the model has \(size)"
    case .noTokens: "there is no token to begin with"
    case .nonfiniteLogits(let position):
      "the logits after position \(position) are not finite"
    case .runtime(let adapter, let error): "\(adapter): \(error)"
    case .weights(let error): error.description
    }
  }

  /// The model types that can be run.
  private static let runnable = DecoderKind.all.flatMap { $0.modelTypes.map(\.type) }

  /// What to do about it.
  public var hint: String? {
    switch self {
    case .architecture:
      "models of type \(Self.runnable.dropLast().joined(separator: ", ")) and "
        + "\(Self.runnable.last ?? "") can be run"
    case .type: "dequantise it, or take the unquantised original"
    case .tooLong: "shorten the prompt, or ask for fewer new tokens"
    case .noTokens: "give a prompt"
    case .nonfiniteLogits: "the weights or the adapter are damaged, or of too large values"
    case .notBesideWeights: "name it when the model is loaded"
    case .runtime(_, let error), .weights(let error): error.hint
    default: nil
    }
  }
}

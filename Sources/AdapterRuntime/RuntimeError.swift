public import AdapterFormat
public import Checkpoints
public import Storage
public import StrictJSON

/// Why an adapter cannot be applied to a base.
@nonexhaustive
public enum RuntimeError: Error, Sendable {
  /// An operation that acts at run time only, or that this version does not know.
  case notMergeable(String)
  /// The adapter's targets cannot be found in the base.
  case binding(NameBinding.Failure)
  /// A target has another shape in the base.
  case shape(Name, expected: String, found: Shape)
  /// A target is no float tensor, or is to be given a value of a type that it cannot take.
  case type(Name, ElementType, by: ElementType?)
  /// Nothing decides whether a square weight is stored transposed.
  case undecidedLayout([Name])
  /// What the file or the user says of a layout contradicts the base.
  case layoutConflict(Name, String)
  /// A target shares its tensor with another parameter of the model.
  case tied(Name, with: Name)
  /// The base is not the one the adapter was made for.
  case otherBase(BaseVerdict)
  /// A tensor of the adapter holds a NaN or an infinity.
  case nonfiniteAdapter(Name)
  /// Two checkpoints that should be a base and its fine-tuned copy are not of one model.
  case notSameModel(String)
  /// A fine-tuned model differs from its base in tensors that the method does not hold.
  case otherChanges([Name])
  /// The merged tensors are not those that the adapter recorded, although the base is its own.
  case otherResult(Name)
  /// A merged value is not finite in the base's element type.
  case overflow(Name, ElementType)
  /// A weight that an adapter cannot take, and the parameter that it cannot take it for.
  case weight(WeightFault, Double, on: Name? = nil)
  /// Two adapters of a stack cannot both change a parameter.
  case conflict(StackConflict)
  /// A base that is one file has no shards to share among processes.
  case notSharded
  /// A merge after which the base cannot be had back from the result.
  case notUndoable(String)
  /// Files that no process has written yet.
  case partsMissing([String])
  /// An error of one adapter of a stack of several, by its label.
  indirect case inStack(String, RuntimeError)
  /// The adapter's file is damaged.
  case format(FormatError)
  /// The base is malformed.
  case checkpoint(CheckpointError)
  /// A file cannot be read or written.
  case storage(StorageError)
}

extension RuntimeError {
  /// Why an adapter cannot take a weight.
  @nonexhaustive
  public enum WeightFault: Sendable, Hashable {
    /// It is a NaN or an infinity.
    case notFinite
    /// A part of a rotation is none.
    case rotation
    /// What is replaced is not blended with what was there.
    case replacement
    /// Bits are restored or not.
    case restoration
  }
}

extension RuntimeError: CustomStringConvertible {
  /// One line for people.
  public var description: String {
    switch self {
    case .notMergeable(let what): "cannot be merged: \(what)"
    case .binding(let failure): failure.description
    case .shape(let name, let expected, let found):
      "the base's \(name) has shape \(found), the adapter is for \(expected)"
    case .type(let name, let type, let value?):
      "\(name) is \(type.rawValue), and cannot be given a value that is \(value.rawValue)"
    case .type(let name, let type, nil):
      "the base stores \(name) as \(type.rawValue): merge into the unquantised original"
    case .undecidedLayout(let names):
      "nothing in the base says whether \(names.first.map(\.text) ?? "") is stored transposed"
        + (names.count > 1 ? " (nor \(names.count - 1) more)" : "")
    case .layoutConflict(let name, let what): "\(name): \(what)"
    case .tied(let name, let other):
      "\(name) shares its tensor with \(other): a merge would change both, which is not what was "
        + "trained"
    case .otherBase(let verdict): verdict.refusal
    case .nonfiniteAdapter(let name): "tensor \(name) of the adapter holds a NaN or an infinity"
    case .notSameModel(let what): "not a base and its fine-tuned copy: \(what)"
    case .otherChanges(let names):
      "\(names.count) changed \(names.count == 1 ? "tensor is no bias" : "tensors are no biases"): "
        + names.prefix(3).map(\.text).joined(separator: ", ") + (names.count > 3 ? ", …" : "")
    case .otherResult(let name):
      "the merged \(name) is not the one that the adapter was extracted from"
    case .overflow(let name, let type):
      "a merged value of \(name) is not finite in \(type.rawValue)"
    case .weight(.notFinite, let weight, _): "weight \(weight) is no finite number"
    case .weight(.rotation, let weight, let name):
      "weight \(weight): \(name?.text ?? "a parameter") is rotated, and a part of a rotation is none"
    case .weight(.replacement, let weight, let name):
      "weight \(weight): \(name?.text ?? "a parameter") is replaced, and not blended with what was "
        + "there"
    case .weight(.restoration, let weight, let name):
      "weight \(weight): \(name?.text ?? "a parameter") is restored bit for bit, which has no parts"
    case .conflict(let conflict): conflict.description
    case .notSharded: "the base is one file: there is nothing to share"
    case .notUndoable(let why): "the merge could not be taken back: \(why)"
    case .partsMissing(let names):
      "\(names.count) of the result's files \(names.count == 1 ? "is" : "are") not there: "
        + names.prefix(3).joined(separator: ", ") + (names.count > 3 ? ", …" : "")
    case .inStack(let label, let error): "\(label): \(error)"
    case .format(let error): error.description
    case .checkpoint(let error): error.description
    case .storage(let error): error.description
    }
  }

  /// What to do about it; nil where the error says so itself.
  public var hint: String? {
    switch self {
    case .undecidedLayout:
      "GPT-2 stores them so: --layout in_out; most models do not: --layout out_in"
    case .nonfiniteAdapter, .overflow: "to merge all the same: --allow-non-finite"
    case .notSharded: "to cut it: --shard-size"
    case .partsMissing:
      "each --part with the same base, adapters and options writes its share; without --part or --finish all are "
        + "written"
    case .otherBase(let verdict): verdict.hint
    case .otherChanges: "to leave them behind: --only-bias"
    case .weight(.notFinite, _, _): nil
    case .weight: "it takes weight 1, or 0 to leave it out"
    case .conflict(let conflict): conflict.hint
    case .inStack(_, let error): error.hint
    case .tied: "to give each a tensor of its own: --untie"
    case .binding(.unbound(let targets)) where targets.keys.contains { $0.hasSuffix(".bias") }:
      "where the base's layers have no bias: --add-missing-bias"
    case .binding(.unbound): "inspect BASE lists the names it has; to name one: --map TARGET=STORED"
    default: nil
    }
  }
}

extension RuntimeError {
  /// Whether it is the base that speaks against a merge: another base, or a decision of the user, could make it
  /// go.
  public var isOfBase: Bool {
    switch self {
    case .binding, .shape, .type, .undecidedLayout, .layoutConflict, .tied, .otherBase: true
    case .inStack(_, let error): error.isOfBase
    default: false
    }
  }
}

extension NameBinding.Failure: CustomStringConvertible {
  /// One line for people.
  public var description: String {
    switch self {
    case .unbound(let targets):
      targets.sorted { $0.key < $1.key }.prefix(1).map { target, names in
        let near = names.map(\.text).joined(separator: ", ")
        return "the base has no tensor for \(target)"
          + (near.isEmpty ? "" : "; the nearest of the same ending: \(near)")
      }.joined()
    case .ambiguous(let rules):
      "several prefixes fit the base: " + rules.map(\.description).joined(separator: ", ")
    case .collision(let first, let second, let stored):
      "\(first) and \(second) are one tensor of the base, \(stored)"
    }
  }
}

func checking<Value>(
  _ body: () throws(CheckpointError) -> Value
) throws(RuntimeError) -> Value {
  try rethrowing(as: RuntimeError.checkpoint, body)
}

func decoding<Value>(
  _ body: () throws(FormatError) -> Value
) throws(RuntimeError) -> Value {
  try rethrowing(as: RuntimeError.format, body)
}

func storing<Value>(
  _ body: () throws(StorageError) -> Value
) throws(RuntimeError) -> Value {
  try rethrowing(as: RuntimeError.storage, body)
}

public import Checkpoints
public import Operations
internal import Storage
internal import SystemPackage
package import StrictJSON

// What can stand against applying an adapter to a base, each in its words.

extension AdapterError {
  /// Another type, other shards, or a part of the work, of a pipeline's folder: its parts have configurations and indexes
  /// of their own.
  static func pipeline(_ checkpoint: Checkpoint) -> Self {
    let part = checkpoint.shards.first.map { $0.prefix.text.dropLast() } ?? "unet"
    return AdapterError(
      .misuse,
      "\(checkpoint.path) is a pipeline's folder: it is written at once, with its own types and shards",
      advice: "merge into its parts, one by one: adapter merge \(checkpoint.path)/\(part) …")
  }

  /// A parameter whose codes cannot be made again.
  static func notRequantised(_ name: Name, _ reason: String) -> Self {
    AdapterError(
      .type, at: [name.text], "\(name) cannot be quantised again: \(reason)",
      advice: "write floats: --dequantize")
  }

  /// Tensors that a part of a pipeline with an index would get.
  static func pipelineIndex(_ checkpoint: Checkpoint, _ part: String) -> Self {
    AdapterError(
      .misuse, "\(checkpoint.path): the tensors of \(part) and its index would not agree any more",
      advice: "merge into this part alone: adapter merge \(checkpoint.path)/\(part) …")
  }

  /// An operation that acts at run time only, that comes at the wrong place, or that this version does not know.
  static func notMergeable(
    _ what: String, at place: Name? = nil, kind: Kind = .misuse
  ) -> Self {
    AdapterError(kind, at: place.map { [$0.text] } ?? [], "cannot be merged: \(what)")
  }

  /// A prompt or a prefix, which no weight can hold.
  static func actsAtRunTime(_ prompt: Prompt) -> Self {
    let noun =
      switch prompt.form {
      case .embeddings: "a soft prompt"
      case .keysAndValues: "a prefix"
      }
    return AdapterError(
      .misuse, "\(noun) acts at run time and cannot be merged",
      advice: "to use it: adapter run BASE ADAPTER")
  }

  /// A name was given for a target that no adapter has.
  static func unusedName(_ name: Name, ofSeveral: Bool = false) -> Self {
    let whom = ofSeveral ? "no adapter changes" : "the adapter does not change"
    return AdapterError(.unusedName, at: [name.text], "\(name): \(whom) it")
  }

  /// Rows are for tokens of which adapters say different things.
  static var severalTokenizers: Self {
    AdapterError(
      .tokenizers, "the vocabulary grows, and the adapters bring different tokenizers for it")
  }

  /// The adapter's targets cannot be found in the base.
  static func binding(_ failure: NameBinding.Failure) -> Self {
    switch failure {
    case .unbound(let targets):
      // A bias has another way out than a weight.
      let first = targets.keys.filter { $0.hasSuffix(".bias") }.min() ?? targets.keys.min()
      return AdapterError(.unbound, at: first.map { [$0.text] } ?? [], failure.description)
    case .ambiguous: return AdapterError(.ambiguous, failure.description)
    case .misfit(let target, _):
      return AdapterError(.unbound, at: [target.text], failure.description)
    case .collision(let first, _, _):
      return AdapterError(.collision, at: [first.text], failure.description)
    }
  }

  /// A target has another shape in the base.
  static func shape(_ name: Name, expected: String, found: Shape) -> Self {
    AdapterError(
      .shape, at: [name.text],
      "the base's \(name) has shape \(found), the adapter is for \(expected)"
    )
  }

  /// A target is not a float tensor, or is to be given a value of a type that it cannot take.
  static func type(_ name: Name, _ type: ElementType, by value: ElementType?) -> Self {
    guard let value else {
      return AdapterError(
        .type, at: [name.text],
        "the base stores \(name) as \(type.rawValue): merge into the unquantised original"
      )
    }
    return AdapterError(
      .type, at: [name.text],
      "\(name) is \(type.rawValue), and cannot be given a value that is \(value.rawValue)")
  }

  /// The base is stored in a scheme that is known by its name only.
  static func unreadScheme(_ scheme: String, _ names: [String]) -> Self {
    AdapterError(
      .type, at: names,
      "the base's weights are quantised by \(scheme), which is not read: merge into the unquantised original"
    )
  }

  /// Nothing decides whether square weights are stored transposed.
  static func undecidedLayout(_ names: [Name]) -> Self {
    let rest = names.count > 1 ? " (nor \(names.count - 1) more)" : ""
    let first = names.first?.text ?? ""
    return AdapterError(
      .undecidedLayout, at: names.map(\.text),
      "the base does not show if \(first) is stored transposed\(rest)")
  }

  /// Returns the error for a layout from the file or the user that contradicts the base.
  static func layoutConflict(_ name: Name, _ what: String) -> Self {
    AdapterError(.layoutConflict, at: [name.text], "\(name): \(what)")
  }

  /// A target shares its tensor with another parameter of the model; `canPart`: which can be given its own.
  static func tied(_ name: Name, with other: Name, canPart: Bool) -> Self {
    AdapterError(
      canPart ? .tied : .inseparable, at: [name.text],
      "\(name) shares its tensor with \(other): a merge would change both, which is not what was trained"
    )
  }

  /// The base is not the one the adapter was made for.
  static func otherBase(_ verdict: BaseVerdict) -> Self {
    AdapterError(
      verdict.kind, at: verdict.names.map(\.text), verdict.refusal,
      advice: verdict.advice, cause: verdict)
  }

  /// A tensor of the adapter holds a NaN or an infinity.
  package static func nonfinite(_ tensor: Name) -> Self {
    AdapterError(
      .nonfinite, at: [tensor.text], "tensor \(tensor) of the adapter holds a NaN or an infinity")
  }

  /// Two checkpoints that should be a base and its fine-tuned copy are not of one model.
  static func notSameModel(_ what: String, kind: Kind = .notSameModel) -> Self {
    AdapterError(kind, "not a base and its fine-tuned copy: \(what)")
  }

  /// A fine-tuned model differs from its base in tensors that the method does not hold.
  static func otherChanges(_ names: [Name]) -> Self {
    let kind = names.count == 1 ? "tensor is not a bias" : "tensors are not biases"
    return AdapterError(
      .otherChanges, at: names.map(\.text),
      "\(names.count) changed \(kind): \(list(names.map(\.text)))"
    )
  }

  /// The merged tensors are not those that the adapter recorded, although the base is its own.
  static func otherResult(_ name: Name) -> Self {
    AdapterError(
      .otherResult, at: [name.text],
      "the merged \(name) is not the one that the adapter was extracted from")
  }

  /// A merged value is not finite in the base's element type.
  static func overflow(_ name: Name, _ type: ElementType) -> Self {
    AdapterError(
      .overflow, at: [name.text], "a merged value of \(name) is not finite in \(type.rawValue)")
  }

  /// A base that is one file has no shards to share among processes.
  static var notSharded: Self {
    AdapterError(.notSharded, "the base is one file: there is nothing to share")
  }

  /// A merge after which the base cannot be had back from the result.
  static func notUndoable(_ why: String) -> Self {
    AdapterError(.notUndoable, "the merge could not be taken back: \(why)")
  }

  /// Files that no process has written yet.
  static func partsMissing(_ names: [String]) -> Self {
    AdapterError(
      .partsMissing, at: names,
      "\(names.count) of the result's files \(names.count == 1 ? "is" : "are") not there: \(list(names))"
    )
  }

  private static func list(_ names: [String]) -> String {
    names.prefix(3).joined(separator: ", ") + (names.count > 3 ? ", …" : "")
  }
}

extension AdapterError {
  /// True if the base is what prevents a merge: another base, or a decision of the user, could make it go.
  public var isOfBase: Bool {
    switch kind {
    case .unbound, .ambiguous, .collision, .shape, .type, .undecidedLayout, .layoutConflict, .tied,
      .inseparable:
      true
    default: isVerdict
    }
  }

  /// True if the base is refused as not the one that the adapter was made for.
  public var isVerdict: Bool {
    switch kind {
    case .noFingerprint, .near, .targetsNotSampled, .othersDiffer, .targetsPadded, .targetsDiffer,
      .alreadyMerged, .structureDiffers, .quantised:
      true
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
    case .misfit(let target, let stored):
      "\(stored), given for \(target), is not in the base, or does not fit it"
    case .collision(let first, let second, let stored):
      "\(first) and \(second) are one tensor of the base, \(stored)"
    }
  }
}

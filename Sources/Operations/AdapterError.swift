package import StrictJSON

/// Why an adapter cannot be used as asked, although no byte of a file is at fault: the kind of fault, where it is, and
/// the reason.
///
/// Faults in bytes are reported by the errors of their readers: `FormatError`, `CheckpointError`, `StorageError`. In a
/// stack of adapters such an error is the `cause` of one of the kind `unreadable`.
public struct AdapterError: Error, Sendable {
  /// The kind: programs decide by it.
  public let kind: Kind
  /// The parameters, tensors or files that it is about, the most important first.
  public let places: [String]
  /// The reason, with the place: one line for people, lower case, no full stop.
  public let reason: String
  /// The remedy, where it can be stated without knowing how the adapter was given; otherwise nil.
  public let advice: String?
  /// The adapter of a stack of several, as its caller labels it.
  public private(set) var adapter: String?
  /// The underlying cause, for programs that want to know more: a reader's error, a `StackConflict`, a `BaseVerdict`.
  public let cause: (any Error)?

  /// Describes a fault.
  public init(
    _ kind: Kind, at places: [String] = [], _ reason: String, advice: String? = nil,
    cause: (any Error)? = nil
  ) {
    self.kind = kind
    self.places = places
    self.reason = reason
    self.advice = advice
    self.cause = cause
  }

  /// Describes a fault of an operation on a parameter, or of a tensor.
  package init(_ kind: Kind, on name: Name, _ what: String) {
    self.init(kind, at: [name.text], "\(name): \(what)")
  }

  /// The first of the places; nil where there is none.
  public var place: String? { places.first }

  /// An error of one adapter of a stack of several.
  ///
  /// - Parameters:
  ///   - adapter: its label.
  ///   - error: what is wrong with it.
  public init(of adapter: String, _ error: any Error) {
    if let error = error as? AdapterError {
      self = error
    } else {
      (kind, places, reason, advice, cause) = (.unreadable, [], "\(error)", nil, error)
    }
    self.adapter = adapter
  }
}

extension AdapterError {
  /// A kind of fault.
  @nonexhaustive
  public enum Kind: String, Sendable, Hashable, CaseIterable {
    /// The numbers are not ones for which the operation is defined.
    case arithmetic
    /// An operation that is not for what was asked: it acts at run time only, or comes at the wrong place.
    case misuse
    /// An operation that this version does not know.
    case unknownOperation = "unknown_operation"
    /// The bytes of one adapter of a stack are at fault.
    case unreadable

    // A base that the adapter does not fit.

    /// A target is not in the base.
    case unbound
    /// Several ways to find the targets fit the base.
    case ambiguous
    /// Two targets are one tensor of the base.
    case collision
    /// A target has another shape in the base.
    case shape
    /// A target cannot be changed in the element type that it has.
    case type
    /// Nothing decides if a square weight is stored transposed.
    case undecidedLayout = "undecided_layout"
    /// A file or a user says of a layout what contradicts the base.
    case layoutConflict = "layout_conflict"
    /// A target shares its tensor with another parameter of the model.
    case tied
    /// The same, and neither can be given a tensor of its own.
    case inseparable
    /// A name was given for a target that no adapter has.
    case unusedName = "unused_name"

    // A base that is not the one it was made for: the words of `BaseVerdict.code`.

    /// The adapter records no samples of its base, and they were asked for.
    case noFingerprint = "no_fingerprint"
    /// It is near the recorded one, and quantised, and samples that match were asked for.
    case near
    /// Tensors that the adapter changes were not sampled.
    case targetsNotSampled = "targets_not_sampled"
    /// Other tensors differ.
    case othersDiffer = "others_differ"
    /// Tensors that the adapter changes have more rows.
    case targetsPadded = "targets_padded"
    /// Tensors that the adapter changes differ.
    case targetsDiffer = "targets_differ"
    /// The adapter is merged into the base already.
    case alreadyMerged = "already_merged"
    /// Tensors are missing, or have another shape.
    case structureDiffers = "structure_differs"
    /// Tensors that the adapter changes are quantised.
    case quantised

    // A stack, and its result.

    /// An operation has no meaning for a part of it.
    case factor
    /// Two adapters cannot both change a parameter.
    case conflict
    /// Adapters bring different tokenizers, and new rows need one.
    case tokenizers
    /// A tensor of the adapter holds a NaN or an infinity.
    case nonfinite
    /// A merged value is not finite in its element type.
    case overflow
    /// A merged tensor is not the one that the adapter records.
    case otherResult = "other_result"
    /// The base cannot be had back from the result.
    case notUndoable = "not_undoable"
    /// A base of one file has no shards to share.
    case notSharded = "not_sharded"
    /// Files that no process has written yet.
    case partsMissing = "parts_missing"

    // A model that runs.

    /// A model that this version cannot run.
    case architecture
    /// A model's configuration is missing, or does not go with its weights.
    case configuration
    /// A weight that the model needs is not there.
    case missingTensor = "missing_tensor"
    /// An adapter is not for a model of this form.
    case misfit
    /// An adapter has to be made part of the weights.
    case notBesideWeights = "not_beside_weights"
    /// A text that cannot be run.
    case text

    // Two checkpoints.

    /// They are not a base and its fine-tuned copy.
    case notSameModel = "not_same_model"
    /// They differ in tensors that the method does not hold.
    case otherChanges = "other_changes"
  }
}

extension AdapterError: CustomStringConvertible {
  /// One line for people.
  public var description: String { adapter.map { "\($0): \(reason)" } ?? reason }
}

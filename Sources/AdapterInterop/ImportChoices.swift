public import Checkpoints
public import Operations
public import StrictJSON

/// The answers to the questions that a foreign file leaves open.
public struct ImportChoices: Sendable {
  /// Fields of a configuration that are not known, and mean nothing.
  public var ignoredFields: [Name] = []
  /// How a prefix is laid out whose file cannot say.
  public var prefixOrder: PrefixOrder?
  /// Which adapter of a file that holds several.
  public var adapter: Name?
  /// Tensors of the file that are left out, as if they were not there.
  public var dropped: [NamePattern] = []
  /// Records the digest of the weights file, by a pass over all of it. An adapter that is written needs it to go back
  /// byte for byte; one that is applied does not.
  public var recordsDigest = true
  /// True if the adapter is written to a file: only then does it matter which files beside it are not carried.
  public var isKept = true
  /// True if an adapter with another program's names, which only the base translates, is read under those names: to be
  /// looked at, and not to be applied.
  public var keepsForeignNames = false
  /// The base, where it is at hand: what the file holds of it beside the adapter is left out.
  public var base: Checkpoint?
  /// The part of a pipeline that targets without such a prefix belong to.
  public var component: PipelineComponent?
  /// Gives targets the shapes and layouts that the base has for them, in the same order; nil where no base is at hand.
  /// `Checkpoint.resolved` in AdapterRuntime is one.
  public var resolve: (@Sendable ([Target]) throws -> [Target])?

  /// A question that a file may leave open.
  @nonexhaustive
  public enum Question: Sendable, Hashable {
    /// How a prefix is laid out.
    case prefixOrder
    /// Which shapes the base's weights have.
    case base
    /// Which of several adapters is meant.
    case adapter
    /// Which part of a pipeline it changes.
    case component
  }

  /// Leaves everything to the file, but for what is given.
  public init(
    ignoredFields: [Name] = [], prefixOrder: PrefixOrder? = nil,
    resolve: (@Sendable ([Target]) throws -> [Target])? = nil
  ) {
    self.ignoredFields = ignoredFields
    self.prefixOrder = prefixOrder
    self.resolve = resolve
  }
}

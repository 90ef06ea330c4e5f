public import AdapterFormat
public import Checkpoints

/// The answers to the questions that an adapter leaves open when it is written in a foreign format.
public struct ExportChoices: Sendable {
  /// The base, for formats that depend on it; nil where none is at hand.
  public var base: Checkpoint?
  /// The part of a pipeline that targets without such a prefix belong to.
  public var component: PipelineComponent?
  /// The metadata of the `.adp` file; empty for another source.
  public var metadata: [Manifest.MetadataEntry] = []

  /// Leaves everything to the adapter, but for what is given.
  public init(base: Checkpoint? = nil, component: PipelineComponent? = nil) {
    self.base = base
    self.component = component
  }
}

public import StrictJSON

/// What the user decides where a foreign file leaves a question open.
public struct ImportChoices: Sendable, Hashable {
  /// Fields of a configuration that are not known, and mean nothing.
  public var ignoredFields: [Name] = []
  /// How a prefix is laid out whose file cannot say.
  public var prefixOrder: PrefixOrder?

  /// A question that a file may leave open.
  @nonexhaustive
  public enum Question: Sendable, Hashable {
    /// How a prefix is laid out.
    case prefixOrder
  }

  /// Leaves everything to the file.
  public init(ignoredFields: [Name] = [], prefixOrder: PrefixOrder? = nil) {
    self.ignoredFields = ignoredFields
    self.prefixOrder = prefixOrder
  }
}

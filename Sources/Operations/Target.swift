public import Storage
public import StrictJSON

/// The parameter that an operation changes, and what is known of how a base stores it.
public struct Target: Sendable, Hashable {
  /// Its name, as trained.
  public var name: Name
  /// How it is stored, where the operation's formula depends on that.
  public var layout: Layout?
  /// How far the layout can be trusted; nil for a guess.
  public var layoutSource: LayoutSource?
  /// Its shape as stored, where known.
  public var shape: Shape?
  /// The stored tensors it was bound to at conversion.
  public var bound: [Name] = []

  /// Names a parameter.
  public init(_ name: Name, layout: Layout? = nil, layoutSource: LayoutSource? = nil) {
    self.name = name
    self.layout = layout
    self.layoutSource = layoutSource
  }

  /// The name of the bias beside a weight; nil where the parameter is not called a weight.
  public var bias: Name? { Self.bias(beside: name) }

  /// The name of the bias beside a weight of this name.
  public static func bias(beside weight: Name) -> Name? {
    weight == "weight" || weight.hasSuffix(".weight")
      ? Name(weight.dropLast("weight".utf8.count).text + "bias") : nil
  }
}

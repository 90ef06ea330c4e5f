public import StrictJSON

/// A tensor's name, element type and shape.
public struct TensorInfo: Sendable, Hashable {
  /// Its name.
  public let name: Name
  /// Its element type.
  public let type: ElementType
  /// Its shape.
  public let shape: Shape

  /// Describes a tensor, which fills whole bytes.
  public init(name: Name, type: ElementType, shape: Shape) {
    self.name = name
    self.type = type
    self.shape = shape
  }

  /// Its bytes.
  public var byteCount: Int { shape.byteCount(of: type) ?? 0 }
}

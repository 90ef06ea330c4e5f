internal import AdapterInsight
public import Checkpoints
package import Operations
public import Storage
internal import StrictJSON

/// A tensor that an adapter changes, or makes.
public struct AdaptedTensor: Sendable {
  /// Its name, element type and shape after the change.
  public let info: TensorInfo
  /// The stored tensor that it is made from; nil where nothing of the base is in it.
  public let origin: StoredTensor?
  /// How it stands to the base.
  public let kind: Kind
  /// The operations that change it, in order.
  package let operations: [BoundOperation]

  /// How an adapted tensor stands to the base.
  public enum Kind: Sendable, Hashable {
    /// The base stores it, with this shape.
    case changed
    /// The base stores it with another first dimension.
    case resized
    /// The base does not store it.
    case created
    /// No adapter changes it; its values are written in another element type.
    case converted
  }

  /// A tensor that no adapter changes, and whose values are not stored as they are.
  init(decoded stored: StoredTensor) {
    self.init(info: stored.info, origin: stored, kind: .converted, operations: [])
  }

  init(info: TensorInfo, origin: StoredTensor?, kind: Kind, operations: [BoundOperation]) {
    (self.info, self.origin, self.kind, self.operations) = (info, origin, kind, operations)
  }

  /// The element type of the tensor that it is made from.
  var storedType: ElementType { origin?.info.type ?? info.type }

  /// True if it makes sense to ask how much of a change rounding leaves.
  var isMeasurable: Bool {
    kind == .changed && storedType.isFloat
      && !operations.contains { $0.laws?.manner.isReplacement ?? false }
  }

  /// Itself, in another element type.
  func stored(as type: ElementType) -> AdaptedTensor {
    AdaptedTensor(
      info: TensorInfo(name: info.name, type: type, shape: info.shape), origin: origin, kind: kind,
      operations: operations)
  }

  /// How it is cut into tiles.
  var grid: TileGrid { TileGrid(info.shape, of: info.type, operations: operations) }

  /// True if all its changes can act beside a linear layer that keeps its weight.
  package var actsBesideLayer: Bool {
    kind == .changed
      && operations.allSatisfy { $0.layerKind != nil }
  }

  /// True if it gets back the bits that it had before a change.
  var isRestored: Bool { operations.contains { $0.laws?.manner == .restores } }

  /// The digest that its bytes should have, where the last of its operations records one and all are of one
  /// adapter, as it was made.
  var recordedResult: Digest? {
    guard Set(operations.map(\.owner)).count <= 1, operations.allSatisfy({ $0.factor == 1 }) else {
      return nil
    }
    return operations.last?.laws?.result
  }
}

package import AdapterMath
internal import Adapters
public import Checkpoints
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
  /// What changes it, in order.
  package let changes: [ParameterChange]
  /// For each change, the place of its adapter in the stack.
  package let owners: [Int]

  /// How an adapted tensor stands to the base.
  public enum Kind: Sendable, Hashable {
    /// The base stores it, with this shape.
    case changed
    /// The base stores it with another first dimension.
    case resized
    /// The base does not store it.
    case created
  }

  /// How it is cut into tiles.
  var grid: TileGrid { TileGrid(info.shape, of: info.type, changes: changes) }

  /// Whether everything that happens to it can act beside a linear layer that keeps its weight.
  package var actsBesideLayer: Bool {
    kind == .changed
      && changes.allSatisfy { LayerOperation.exists(for: $0.operation, part: $0.part) }
  }

  /// The digest that its bytes should have, where an operation records one and is alone.
  var recordedResult: Digest? {
    guard changes.count == 1, changes[0].weight == 1 else { return nil }
    return switch changes[0].operation {
    case .add(let add): add.result
    case .replace(let replace): replace.result
    default: nil
    }
  }
}

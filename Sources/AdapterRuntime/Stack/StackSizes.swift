internal import Storage
internal import StrictJSON

/// The parameters that adapters of a stack have given another first dimension, and their shapes now: what a later adapter
/// is for may be the new shape ([STK-5]).
struct StackSizes {
  private var shapes: [Name: Shape] = [:]

  /// The shape of a stored tensor now; nil where it is as it is stored.
  subscript(_ name: Name) -> Shape? { shapes[name] }

  /// Adds what an adapter does.
  mutating func add(_ bound: BoundAdapter) {
    for tensor in bound.tensors where tensor.kind == .resized {
      shapes[tensor.info.name] = tensor.info.shape
    }
  }
}

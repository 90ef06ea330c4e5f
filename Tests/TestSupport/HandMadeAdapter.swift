internal import AdapterFormat
package import Operations
package import Storage
package import StrictJSON

/// An adapter made by hand.
package struct HandMadeAdapter {
  private var operations: [Operation] = []
  private var tensors: [TensorContents] = []

  package init() {}

  /// Adds a tensor of F32 values, for operations to use.
  package mutating func operand(
    _ name: Name, _ dimensions: [Int], _ values: [Float]
  ) -> TypedOperand {
    operand(name, dimensions, .f32, HandMadeCheckpoint.bytes(values))
  }

  /// Adds a tensor of any type.
  package mutating func operand(
    _ name: Name, _ dimensions: [Int], _ type: ElementType, _ bytes: [UInt8]
  ) -> TypedOperand {
    guard let shape = Shape(dimensions.map(UInt64.init)) else {
      preconditionFailure("\(dimensions) is no shape")
    }
    let info = TensorInfo(name: name, type: type, shape: shape)
    tensors.append(TensorContents(info, bytes: MemoryBytes(bytes), offset: 0))
    return TypedOperand(info)
  }

  package mutating func append(_ payload: some OperationKind) throws {
    operations.append(try Operation(payload))
  }

  package var adapter: Adapter {
    Adapter(
      name: "default", method: "test", operations: operations, inert: [], source: nil, files: [],
      base: nil, tensors: tensors)
  }
}

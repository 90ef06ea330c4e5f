import AdapterFormat
import AdapterInsight
import AdapterInterop
import AdapterRuntime
import Checkpoints
import Operations
import Storage
import StrictJSON
import TestSupport
import Testing

/// One operation of a real adapter, and its base.
private struct SingleOperation: Sendable, CustomTestStringConvertible {
  let name: String
  let adapter: Adapter
  let base: EditedBase
  /// The stored tensors that it changes.
  let stored: [Name]

  /// One of each name that changes weights, and what takes a merge back.
  static let all: [SingleOperation] = {
    var found: [String: SingleOperation] = [:]
    for fixture in PEFTCase.mergeable {
      guard let (adapter, base) = try? open(fixture),
        let bound = try? BoundAdapter(adapter, to: base)
      else { continue }
      for (place, operation) in bound.adapter.operations.enumerated()
      where found[operation.name] == nil && base.tensor(operation.target?.bound.first ?? "") != nil
      {
        var seen = -1
        let own = adapter.keeping { _ in
          seen += 1
          return seen == place
        }
        guard let edited = try? EditedBase(base) else { continue }
        found[operation.name] = SingleOperation(
          name: operation.name, adapter: own, base: edited, stored: operation.target?.bound ?? [])
      }
    }
    if let restore = try? restore() { found["restore"] = restore }
    return found.values.sorted { $0.name < $1.name }
  }()

  /// Bits of an F32 matrix, with factors.
  private static func restore() throws -> SingleOperation {
    let shape = try #require(Shape([2, 2]))
    let bits = TensorInfo(name: "z", type: .u32, shape: shape)
    var made = HandMadeAdapter()
    let (left, right) = (made.operand("l", [2, 1], [1, 2]), made.operand("r", [1, 2], [3, 4]))
    let operation = try Operation(
      Restore(
        target: Target("x.weight"), difference: TypedOperand(bits), left: left, right: right,
        result: Digest(of: [])))
    let factors = made.adapter
    let tensors = try factors.tensors.map { info in
      TensorContents(info, bytes: MemoryBytes(try factors.contents(of: info.name)), offset: 0)
    }
    let difference = MemoryBytes([UInt8](repeating: 1, count: 16))
    let adapter = Adapter(
      name: "undo", method: "undo", operations: [operation], inert: [], source: nil, files: [],
      base: nil, tensors: tensors + [TensorContents(bits, bytes: difference, offset: 0)])
    var base = EditedBase()
    base.tensors["x.weight"] = .init(.f32, [2, 2], HandMadeCheckpoint.bytes([1, 2, 3, 4]))
    return SingleOperation(name: "restore", adapter: adapter, base: base, stored: ["x.weight"])
  }

  /// The base with its tensors in another type, of small bytes; nil where they do not fill whole bytes.
  func base(of type: ElementType) -> EditedBase? {
    var base = base
    for name in stored {
      guard let tensor = base.tensors[name] else { return nil }
      let bits = tensor.dimensions.reduce(1, *) * type.bitWidth
      guard bits.isMultiple(of: 8) else { return nil }
      base.tensors[name] = .init(
        type, tensor.dimensions, (0..<bits / 8).map { UInt8($0 % 5) })
    }
    return base
  }

  /// An adapter that adds zeros to the first tensor.
  func addition(on base: Checkpoint) throws -> Adapter {
    let target = try #require(adapter.operations[0].target)
    let shape = try #require(base.tensor(stored[0])).info.shape
    var made = HandMadeAdapter()
    let delta = made.operand(
      "delta", shape.dimensions, [Float](repeating: 0, count: shape.count))
    try made.append(Add(target: Target(target.name), delta: delta, scale: 1))
    return made.adapter
  }

  var testDescription: String { name }
}

/// No arithmetic is done on a type that it was not made for: every operation on every element type, alone and in stacks of
/// two, is refused or gives numbers ([BND-4]).
@Suite struct ElementTypeTests {
  @Test func everyOperationIsTried() {
    let known = Operation.known.filter { !($0 is any RunTimeKind.Type) }.map { $0.op }
    #expect(Set(SingleOperation.all.map(\.name)) == Set(known))
  }

  @Test(arguments: SingleOperation.all, ElementType.allCases)
  fileprivate func everyTypeIsRefusedOrComputed(
    _ operation: SingleOperation, _ type: ElementType
  ) throws {
    guard let edited = operation.base(of: type) else { return }
    let folder = try TemporaryFolder()
    let base = try edited.write(to: folder)
    let along = try operation.addition(on: base)
    let stacks: [[(Adapter, Double)]] = [
      [(operation.adapter, 1)], [(operation.adapter, 0.5)],
      [(operation.adapter, 1), (operation.adapter, 1)],
      [(operation.adapter, 1), (along, 1)], [(along, 1), (operation.adapter, 1)],
    ]
    for (place, stack) in stacks.enumerated() {
      let weighted = stack.map { WeightedAdapter($0.0, weight: $0.1) }
      let isMerged = try Self.merges(weighted, into: base)
      let check = try? BaseCheck(base, applying: weighted)
      // What a check lets through a merge may still refuse for its values, not for their types.
      #expect(check?.isAccepted == true || !isMerged)
      guard place == 0 else { continue }
      let only = operation.adapter.operations[0]
      let isFitting =
        if let restore = only.as(Restore.self) {
          type.bitWidth == restore.difference.type.bitWidth
        } else {
          true
        }
      let isOwn = only.as(Replace.self)?.value.type == type
      #expect(isMerged == (type.isFloat ? isFitting : isOwn))
    }
  }

  /// Applies a stack in all ways that there are; whether that goes.
  private static func merges(_ stack: [WeightedAdapter], into base: Checkpoint) throws -> Bool {
    do {
      let view = try AdaptedCheckpoint(base, applying: stack)
      for name in view.changedNames { _ = try view.contents(of: name) }
      _ = try MergeSurvey(view)
      _ = try? ChangeMeasurement(view)
      _ = try? MergeUndo.check(view)
      return true
    } catch is AdapterError {
      return false
    }
  }
}

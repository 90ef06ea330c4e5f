internal import AdapterFormat
internal import AdapterMath
public import Adapters
public import Checkpoints
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// An adapter that takes a merge back: merged into the result, it gives the base's tensors, bit for bit, and proves it
/// by their digests.
///
/// For a tensor that only low-rank changes were added to, it holds their factors with the scale turned round, and
/// what rounding had lost, which is nearly nothing; for any other the difference, or the base's own bytes.
public struct MergeUndo: Sendable {
  /// The adapter, for the merged checkpoint as its base.
  public let adapter: Adapter

  /// Refuses a merge that it could not take back.
  ///
  /// - Parameters:
  ///   - view: what is to be merged.
  /// - Throws: `RuntimeError.notUndoable`.
  public static func check(_ view: AdaptedCheckpoint) throws(RuntimeError) {
    if view.resultType != nil { throw .notUndoable("all tensors get another element type") }
    for tensor in view.tensors {
      switch tensor.kind {
      case .changed, .converted: break
      case .created: throw .notUndoable("\(tensor.info.name) is new")
      case .resized: throw .notUndoable("\(tensor.info.name) gets another size")
      }
    }
  }

  /// Compares a merged checkpoint with its base.
  ///
  /// - Parameters:
  ///   - view: what was merged.
  ///   - merged: the result.
  /// - Throws: `RuntimeError` where either cannot be read.
  public init(of view: AdaptedCheckpoint, in merged: Checkpoint) throws(RuntimeError) {
    try Self.check(view)
    var builder = UndoBuilder(view)
    for tensor in view.tensors {
      guard let before = view.checkpoint.tensor(tensor.info.name),
        let after = merged.tensor(tensor.info.name), before.info == after.info
      else { throw .notSameModel("\(tensor.info.name) is not as it was merged") }
      try builder.append(tensor, before, after)
    }
    let plain = Adapter(
      name: "undo", method: "undo", operations: builder.operations, inert: [], source: nil,
      files: [],
      base: BaseRecord(
        name: merged.path.lastComponent?.string, revision: nil, architecture: nil,
        fingerprint: nil), tensors: builder.tensors)
    adapter = try BoundAdapter(plain, to: merged).recordingBase(merged)
  }
}

/// The operations and tensors of an undo, one tensor of the base after the other.
private struct UndoBuilder {
  private let view: AdaptedCheckpoint
  private(set) var operations: [Adapters.Operation] = []
  private(set) var tensors: [TensorContents] = []
  private var names: Set<Name> = []

  init(_ view: AdaptedCheckpoint) {
    self.view = view
  }

  mutating func append(
    _ tensor: AdaptedTensor, _ before: StoredTensor, _ after: StoredTensor
  ) throws(RuntimeError) {
    let undo = try TensorUndo(before, after, inverse: try inverse(of: tensor))
    for change in undo.inverse { try append(change) }
    let contents = try undo.contents
    tensors.append(contents)
    let (operand, target) = (TypedOperand(contents.info), Target(before.info.name))
    operations.append(
      try decoding { () throws(FormatError) in
        undo.residualType == nil
          ? try Operation(Replace(parameter: target, value: operand, result: undo.digest))
          : try Operation(Add(parameter: target, delta: operand, scale: 1, result: undo.digest))
      })
  }

  /// The factors' tensors, and the operation.
  private mutating func append(_ change: ParameterChange) throws(RuntimeError) {
    operations.append(change.operation)
    for operand in change.operation.operands where names.insert(operand.tensor).inserted {
      guard let info = change.adapter.tensor(operand.tensor) else { continue }
      let bytes = try decoding { () throws(FormatError) in
        try change.adapter.contents(of: operand.tensor)
      }
      tensors.append(TensorContents(info, bytes: MemoryBytes(bytes), offset: 0))
    }
  }

  /// Low-rank changes with the scale turned round, of operands with names of their own; empty where the tensor is
  /// changed in any other way.
  private func inverse(of tensor: AdaptedTensor) throws(RuntimeError) -> [ParameterChange] {
    var all: [ParameterChange] = []
    for (change, owner) in zip(tensor.changes, tensor.owners) {
      guard case .addLowRank(var low) = change.operation, case .whole = change.part,
        low.magnitude == nil, low.experts == nil
      else { return [] }
      var copies: [TensorContents] = []
      func copy(_ operand: TypedOperand, widened: Bool = false) throws(RuntimeError) -> TypedOperand
      {
        let copy = try FactorCopy(operand, of: change.adapter, owner: owner, isDouble: widened)
        copies.append(copy.contents)
        return copy.operand
      }
      // One operand of F64 makes all of the arithmetic so: what F32 values need.
      low.a = try copy(low.a, widened: tensor.info.type == .f32)
      low.b = try copy(low.b)
      low.diagonal = try low.diagonal.map { operand throws(RuntimeError) in try copy(operand) }
      low.rowScale = try low.rowScale.map { operand throws(RuntimeError) in try copy(operand) }
      low.scale = -low.scale * change.weight
      low.weight = Target(tensor.info.name, layout: low.weight.layout)
      let operation = try decoding { () throws(FormatError) in try Operation(low) }
      let adapter = Adapter(
        name: "undo", method: "undo", operations: [operation], inert: [], source: nil, files: [],
        base: nil, tensors: copies)
      all.append(ParameterChange(operation, of: adapter, part: .whole))
    }
    return all.reversed()
  }
}

/// A factor of a change, under a name of its own.
private struct FactorCopy {
  let operand: TypedOperand
  let contents: TensorContents

  init(
    _ source: TypedOperand, of adapter: Adapter, owner: Int, isDouble: Bool
  ) throws(RuntimeError) {
    let name = source.operand.tensor
    guard let info = adapter.tensor(name) else { throw .format(.unsupported("tensor \(name)")) }
    let isWidened = isDouble && info.type != .f64
    let bytes = try decoding { () throws(FormatError) in
      let bytes = try adapter.contents(of: name)
      return isWidened ? bytes.doubles(of: info.type).flatMap(\.littleEndianBytes) : bytes
    }
    let copy = TensorInfo(
      name: Name("\(owner)\(isWidened ? ".f64" : "").\(name)"), type: isWidened ? .f64 : info.type,
      shape: info.shape)
    operand = TypedOperand(Operand(copy.name, window: source.operand.window), in: copy)
    contents = TensorContents(copy, bytes: MemoryBytes(bytes), offset: 0)
  }
}

extension Double {
  fileprivate var littleEndianBytes: [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: bitPattern >> (8 * $0)) }
  }
}

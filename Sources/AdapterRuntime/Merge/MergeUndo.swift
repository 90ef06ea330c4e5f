internal import AdapterFormat
internal import AdapterInsight
public import Checkpoints
public import Operations
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// An adapter that takes a merge back: merged into the result, it gives the base's tensors, bit for bit, and proves it
/// by their digests (Spec/operations/Restore.md).
///
/// For a matrix that only low-rank changes were added to, it holds their factors, and the differences that are left of
/// its bits when they are taken away: nearly none. For any other matrix of floats it holds the differences, and for what
/// is not one, the base's values.
public struct MergeUndo: Sendable {
  /// The adapter, for the merged checkpoint as its base.
  public let adapter: Adapter

  /// Refuses a merge that it could not take back.
  ///
  /// - Parameter view: what is to be merged.
  /// - Throws: `AdapterError`.
  public static func check(_ view: AdaptedCheckpoint) throws {
    if view.checkpoint.keepsCodes {
      throw AdapterError.notUndoable("it would have to hold the codes of the base")
    }
    if view.resultType != nil {
      throw AdapterError.notUndoable("all tensors get another element type")
    }
    for tensor in view.tensors {
      guard tensor.info.type.bitWidth.isMultiple(of: 8) else {
        throw AdapterError.notUndoable("\(tensor.info.name) has elements that are parts of bytes")
      }
      switch tensor.kind {
      case .changed, .converted: break
      case .created: throw AdapterError.notUndoable("\(tensor.info.name) is new")
      case .resized: throw AdapterError.notUndoable("\(tensor.info.name) gets another size")
      }
    }
  }

  /// Compares a merged checkpoint with its base.
  ///
  /// - Parameters:
  ///   - view: what was merged.
  ///   - merged: the result.
  ///   - name: how the result is called, where that is not the last part of its path.
  /// - Throws: `AdapterError` where either cannot be read.
  public init(
    of view: AdaptedCheckpoint, in merged: Checkpoint, calledAs name: String? = nil
  ) throws {
    try Self.check(view)
    let undone = try view.tensors.concurrentMap { tensor in
      try UndoneTensor(tensor, in: view.checkpoint, merged)
    }
    let ties = TiedParameters(merged)
    var operations: [Operation] = []
    for tensor in undone { operations += try tensor.operations(ties) }
    let plain = Adapter(
      name: "undo", method: "undo", operations: operations, inert: [], source: nil, files: [],
      base: BaseRecord(
        name: name ?? merged.path.lastComponent?.string, revision: nil, architecture: nil,
        fingerprint: nil), tensors: undone.flatMap(\.contents))
    adapter = try BoundAdapter(plain, to: merged).recordingBase(merged)
  }
}

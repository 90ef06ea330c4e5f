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
/// For a tensor that only low-rank changes were added to, it holds their factors, and the differences that are left of
/// its bits when they are taken away: nearly none. For any other it holds the differences.
public struct MergeUndo: Sendable {
  /// The adapter, for the merged checkpoint as its base.
  public let adapter: Adapter

  /// Refuses a merge that it could not take back.
  ///
  /// - Parameter view: what is to be merged.
  /// - Throws: `AdapterError`.
  public static func check(_ view: AdaptedCheckpoint) throws {
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
  /// - Throws: `AdapterError` where either cannot be read.
  public init(of view: AdaptedCheckpoint, in merged: Checkpoint) throws {
    try Self.check(view)
    let undone = try view.tensors.concurrentMap { tensor in
      try UndoneTensor(tensor, in: view.checkpoint, merged)
    }
    var operations: [Operation] = []
    for tensor in undone { operations.append(try tensor.operation) }
    let plain = Adapter(
      name: "undo", method: "undo", operations: operations, inert: [], source: nil, files: [],
      base: BaseRecord(
        name: merged.path.lastComponent?.string, revision: nil, architecture: nil,
        fingerprint: nil), tensors: undone.flatMap(\.contents))
    adapter = try BoundAdapter(plain, to: merged).recordingBase(merged)
  }
}

/// One merged tensor, and what makes it the base's again.
private struct UndoneTensor: Sendable {
  private let difference: BitDifferences
  private let digest: Digest

  init(
    _ tensor: AdaptedTensor, in base: Checkpoint, _ merged: Checkpoint
  ) throws {
    let name = tensor.info.name
    guard let before = base.tensor(name), let after = merged.tensor(name),
      before.info == after.info
    else { throw AdapterError.notSameModel("\(name) is not as it was merged") }
    let factors =
      try before.info.type.isFloat ? BitFactors(tensor.operations, shape: before.info.shape) : nil
    difference = BitDifferences(base: before, merged: after, factors: factors)
    digest = try TensorReader(before).digest()
  }

  private var name: Name { difference.base.info.name }

  private var infos: (difference: TensorInfo, left: TensorInfo?, right: TensorInfo?) {
    let info = difference.base.info
    let bits = TensorInfo(name: name, type: info.type.unsigned, shape: info.shape)
    guard let factors = difference.factors, factors.rank > 0 else { return (bits, nil, nil) }
    let (left, right) = (factors.left.count / factors.rank, factors.right.count / factors.rank)
    return (
      bits, matrix(".left", left, factors.rank), matrix(".right", factors.rank, right)
    )
  }

  private func matrix(_ suffix: String, _ rows: Int, _ columns: Int) -> TensorInfo? {
    Shape([UInt64(rows), UInt64(columns)]).map {
      TensorInfo(name: Name(name.text + suffix), type: .f32, shape: $0)
    }
  }

  var operation: Operation {
    get throws {
      let (bits, left, right) = infos
      return try Operation(
        Restore(
          target: Target(name), difference: TypedOperand(bits),
          left: left.map(TypedOperand.init), right: right.map(TypedOperand.init), result: digest))
    }
  }

  var contents: [TensorContents] {
    let (bits, left, right) = infos
    let factors = [(left, difference.factors?.left), (right, difference.factors?.right)]
    return [TensorContents(bits, bytes: difference, offset: 0)]
      + factors.compactMap { info, values in
        guard let info, let values else { return nil }
        return TensorContents(info, bytes: MemoryBytes(values.rounded(to: .f32)), offset: 0)
      }
  }
}

/// The differences of a tensor's bits, worked out when they are read.
private struct BitDifferences: RandomAccessBytes {
  let base: StoredTensor
  let merged: StoredTensor
  let factors: BitFactors?

  var count: UInt64 { UInt64(base.info.byteCount) }

  func read(
    at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(StorageError) {
    let width = base.info.type.bitWidth / 8
    let (start, end) = (Int(offset), Int(offset) + buffer.count)
    let elements = start / width..<(end + width - 1) / width
    guard !elements.isEmpty else { return }
    let original = try base.contents(of: elements)
    var predicted = try merged.contents(of: elements)
    if let factors, factors.rank > 0 {
      let columns = base.info.shape.dimensions.dropFirst().reduce(1, *)
      unsafe predicted.withUnsafeMutableBytes { bytes in
        unsafe factors.subtract(
          from: UnsafeRawBufferPointer(bytes), into: bytes, base.info.type, elements,
          columns: columns)
      }
    }
    let bytes = BitDifference.make(from: predicted, to: original, of: base.info.type)
    let first = start - elements.lowerBound * width
    unsafe buffer.copyBytes(from: bytes[first..<first + buffer.count])
  }
}

extension ElementType {
  /// The unsigned integer of as many bits, at least eight.
  fileprivate var unsigned: ElementType {
    switch bitWidth {
    case 16: .u16
    case 32: .u32
    case 64: .u64
    default: .u8
    }
  }
}

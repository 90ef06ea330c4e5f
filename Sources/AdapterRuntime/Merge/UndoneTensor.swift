internal import AdapterFormat
internal import AdapterInsight
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// One merged tensor, and what makes it the base's again.
struct UndoneTensor: Sendable {
  private let base: StoredTensor
  /// Nil where the base's values are held.
  private let difference: BitDifferences?
  private let digest: Digest

  init(
    _ tensor: AdaptedTensor, in base: Checkpoint, _ merged: Checkpoint
  ) throws {
    let name = tensor.info.name
    guard let before = base.tensor(name), let after = merged.tensor(name),
      before.info == after.info
    else { throw AdapterError.notSameModel("\(name) is not as it was merged") }
    self.base = before
    digest = try TensorReader(before).digest()
    guard let bits = before.info.type.bits, before.info.shape.dimensions.count >= 2 else {
      difference = nil
      return
    }
    difference = BitDifferences(
      base: before, merged: after, type: bits,
      factors: try BitFactors(tensor.operations, shape: before.info.shape))
  }

  private var name: Name { base.info.name }

  private func matrix(_ suffix: String, _ rows: Int, _ columns: Int) -> TensorInfo? {
    Shape([UInt64(rows), UInt64(columns)]).map {
      TensorInfo(name: Name(name.text + suffix), type: .f32, shape: $0)
    }
  }

  /// The factors that are taken away, and their names.
  private var factors: [(info: TensorInfo, values: [Float])] {
    guard let factors = difference?.factors, factors.rank > 0 else { return [] }
    let (left, right) = (factors.left.count / factors.rank, factors.right.count / factors.rank)
    let sides = [
      (matrix(".left", left, factors.rank), factors.left),
      (matrix(".right", factors.rank, right), factors.right),
    ]
    return sides.compactMap { info, values in info.map { ($0, values) } }
  }

  /// Returns the operations that make it the base's again. Bits are restored for all names of a tie, values are given
  /// to each.
  func operations(_ ties: TiedParameters) throws -> [Operation] {
    guard let difference else {
      return try ([name] + ties.partners(of: name)).map { name in
        try Operation(Replace(target: Target(name), value: TypedOperand(base.info), result: digest))
      }
    }
    let factors = factors.map { TypedOperand($0.info) }
    return [
      try Operation(
        Restore(
          target: Target(name), difference: TypedOperand(difference.info), left: factors.first,
          right: factors.last, result: digest))
    ]
  }

  var contents: [TensorContents] {
    guard let difference else {
      return [TensorContents(base.info, bytes: BaseValues(base: base), offset: 0)]
    }
    return [TensorContents(difference.info, bytes: difference, offset: 0)]
      + factors.map { info, values in
        TensorContents(info, bytes: MemoryBytes(values.rounded(to: .f32)), offset: 0)
      }
  }
}

/// The values of a tensor, read when they are wanted.
private struct BaseValues: RandomAccessBytes {
  let base: StoredTensor

  var count: UInt64 { UInt64(base.info.byteCount) }

  func read(
    at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer
  ) throws(StorageError) {
    let width = base.info.type.bitWidth / 8
    let (start, end) = (Int(offset), Int(offset) + buffer.count)
    let bytes = try base.contents(of: start / width..<(end + width - 1) / width)
    let first = start % width
    unsafe buffer.copyBytes(from: bytes[first..<first + buffer.count])
  }
}

/// The differences of a tensor's bits, worked out when they are read.
private struct BitDifferences: RandomAccessBytes {
  let base: StoredTensor
  let merged: StoredTensor
  /// The unsigned integer of as many bits.
  let type: ElementType
  let factors: BitFactors?

  var info: TensorInfo { TensorInfo(name: base.info.name, type: type, shape: base.info.shape) }

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
  /// The unsigned integer of as many bits; nil where it is not float.
  fileprivate var bits: ElementType? {
    switch self {
    case .f16, .bf16: .u16
    case .f32: .u32
    case .f64: .u64
    default: nil
    }
  }
}

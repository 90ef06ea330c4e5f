public import AdapterInsight
public import Checkpoints
internal import Operations
internal import Storage
public import StrictJSON

/// Two checkpoints, compared tensor by tensor in one pass over both, in constant memory.
public struct CheckpointComparison: Sendable {
  /// The tensors of either, by name.
  public let tensors: [Tensor]

  /// One tensor.
  public struct Tensor: Sendable {
    /// Its name.
    public let name: Name
    /// The tensor in the left checkpoint; nil if it is not there.
    public let left: StoredTensor?
    /// The tensor in the right checkpoint; nil if it is not there.
    public let right: StoredTensor?
    /// How its values differ; nil where their shapes do, or where it is in one checkpoint only.
    public let change: Change?

    /// True if both hold the same element type, shape and bytes.
    public var isSame: Bool {
      left?.info == right?.info && change?.changedCount == 0
    }
  }

  /// How the values of two tensors of one shape differ.
  public struct Change: Sendable, Hashable {
    /// Elements that are not the same bytes, or not the same value in another element type.
    public let changedCount: Int
    /// ‖left‖, ‖right‖, ‖left − right‖ and the cosine; nil where the elements are no floats.
    public let norms: PartComparison?
    /// max |left − right|; nil where the elements are no floats.
    public let largest: Double?
  }

  /// Compares two checkpoints.
  ///
  /// - Parameters:
  ///   - left: one.
  ///   - right: the other.
  ///   - report: told how many of how many bytes have been read; from any thread.
  /// - Throws: `StorageError` where either cannot be read.
  public init(
    _ left: Checkpoint, _ right: Checkpoint,
    _ report: @Sendable (_ count: Int, _ total: UInt64) -> Void = { _, _ in }
  ) throws {
    let names = Set(left.names).union(right.names).sorted()
    let total = names.reduce(0 as UInt64) { $0 + UInt64(left.tensor($1)?.info.byteCount ?? 0) }
    tensors = try names.concurrentMap { name in
      let (mine, theirs) = (left.tensor(name), right.tensor(name))
      var change: Change?
      if let mine, let theirs, mine.info.shape == theirs.info.shape {
        var pass = ComparisonPass(mine, theirs)
        try pass.run { report($0, total) }
        change = pass.change
      } else {
        report(mine?.info.byteCount ?? 0, total)
      }
      return Tensor(name: name, left: mine, right: theirs, change: change)
    }
  }
}

/// One pass over two tensors of the same shape.
private struct ComparisonPass {
  private let left: StoredTensor
  private let right: StoredTensor
  private var sums = PairSums()
  private var changedCount = 0
  private var largest = 0.0

  /// Elements that are compared at once.
  private static let blockCount = 1 << 16

  init(_ left: StoredTensor, _ right: StoredTensor) {
    self.left = left
    self.right = right
  }

  private var isFloat: Bool { left.info.type.isFloat && right.info.type.isFloat }

  var change: CheckpointComparison.Change {
    .init(
      changedCount: changedCount, norms: isFloat ? PartComparison(.weight, sums) : nil,
      largest: isFloat ? largest : nil)
  }

  mutating func run(_ report: (Int) -> Void) throws {
    guard left.info.type == right.info.type || isFloat else {
      // Another type of number: all of it is another tensor.
      changedCount = left.info.shape.count
      return report(left.info.byteCount)
    }
    for elements in left.runs(of: Self.blockCount) {
      let (mine, theirs) = (try left.contents(of: elements), try right.contents(of: elements))
      report(mine.count)
      if isFloat {
        add(mine, theirs, elements.count)
      } else if mine != theirs {
        changedCount += mine.differences(from: theirs, of: left.info.type).count
      }
    }
  }

  private mutating func add(_ mine: [UInt8], _ theirs: [UInt8], _ count: Int) {
    let x: [Double] = mine.widened(from: left.info.type)
    if mine == theirs, left.info.type == right.info.type {
      unsafe x.withUnsafeBufferPointer { x in unsafe sums.add(x, x) }
      return
    }
    let y: [Double] = theirs.widened(from: right.info.type)
    for index in 0..<count where x[index].bitPattern != y[index].bitPattern {
      changedCount += 1
      largest = max(largest, abs(x[index] - y[index]))
    }
    unsafe x.withUnsafeBufferPointer { x in
      unsafe y.withUnsafeBufferPointer { y in unsafe sums.add(x, y) }
    }
  }
}

internal import AdapterFormat
internal import AdapterInsight
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// A check of whether the values in which a base differs from the recorded one come from a merge of this very adapter.
///
/// Digests cannot be turned back into values, but a sketch holds some: the adapter is applied to these. That can be
/// said of changes that make an element of the element alone, not of those that mix a row or need its norm.
struct RepeatedMerge {
  private let tensors: [AdaptedTensor]
  private let scratch = TileScratch()
  /// Sums of squares: how far the base is from the recorded one with the change made, and without it.
  private var (rest, change) = (0.0, 0.0)

  /// Elements of a row that is put together.
  private static let maximumColumns = 1 << 22

  /// Looks at the tensors that differ.
  ///
  /// - Parameters:
  ///   - different: the adapter's targets that hold other values than recorded.
  ///   - bound: the adapter, bound to the base.
  /// - Throws: `AdapterError` where the adapter cannot be read.
  /// - Returns: whether none of them speaks against it, and the change is what most of the difference is.
  static func explains(
    _ different: [DifferentTensor], _ bound: BoundAdapter
  ) throws -> Bool {
    var merged = RepeatedMerge(bound)
    guard merged.isWorthwhile(bound) else { return false }
    let changed = Dictionary(
      merged.tensors.filter { $0.kind == .changed }.map { ($0.info.name, $0) },
      uniquingKeysWith: { first, _ in first })
    for tensor in different {
      guard let values = tensor.values else { continue }
      if bound.held.contains(tensor.name) { merged.addWhole(values.then, values.now) }
      guard let adapted = changed[tensor.name] else { continue }
      guard try merged.isExplained(adapted, values.then, values.now) else { return false }
    }
    // What other training does to a few hundred values is not this change by chance.
    return merged.change > 0 && merged.rest <= merged.change / 16
  }

  /// How far tensors are from the recorded ones, in relation to what the adapter changes of these, by the sketches.
  ///
  /// - Parameters:
  ///   - different: the adapter's targets that hold other values than recorded.
  ///   - bound: the adapter, bound to the base.
  /// - Throws: `AdapterError` where the adapter cannot be read.
  /// - Returns: nil where nothing can be said.
  static func distance(
    of different: [DifferentTensor], inChangesOf bound: BoundAdapter
  ) throws -> Double? {
    let merge = RepeatedMerge(bound)
    guard merge.isWorthwhile(bound) else { return nil }
    let values = Dictionary(
      different.map { ($0.name, $0.values) }, uniquingKeysWith: { first, _ in first })
    var (distance, change) = (0.0, 0.0)
    for tensor in merge.tensors where tensor.kind == .changed {
      guard let values = values[tensor.info.name] ?? nil,
        let expected = try merge.expected(tensor, values.then, as: .f32)
      else { continue }
      for (index, value) in expected.enumerated() {
        let (then, now) = (Double(values.then[index]), Double(values.now[index]))
        distance += (now - then) * (now - then)
        change += (value - then) * (value - then)
      }
    }
    let ratio = (distance / change).squareRoot()
    return ratio.isFinite ? ratio : nil
  }

  private init(_ bound: BoundAdapter) { tensors = bound.tensors }

  /// Returns true if the adapter and the base are worth the work that the check may take.
  private func isWorthwhile(_ bound: BoundAdapter) -> Bool {
    var (work, inputs) = (0.0, bound.adapter.storedByteCount)
    for tensor in tensors {
      let (count, name) = (tensor.info.shape.count, tensor.info.name.text)
      guard let own = try? tensor.operations.checkedWork(elements: count, of: name) else {
        return false
      }
      work += own
      inputs += UInt64(tensor.origin?.info.byteCount ?? 0)
    }
    return work <= Effort.limit(inputs: inputs)
  }

  /// Takes a tensor into account that is just as the adapter would make it.
  private mutating func addWhole(_ then: [Float], _ now: [Float]) {
    for (then, now) in zip(then, now) { change += Double(now - then) * Double(now - then) }
  }

  /// Takes a tensor into account; false where it holds something else.
  private mutating func isExplained(
    _ tensor: AdaptedTensor, _ then: [Float], _ now: [Float]
  ) throws -> Bool {
    guard let expected = try expected(tensor, then, as: tensor.info.type) else { return true }
    for (index, value) in expected.enumerated() {
      let (then, now) = (Double(then[index]), Double(now[index]))
      // Other programs round twice, or to a narrower type on the way.
      guard abs(value - now) <= 0x1p-7 * max(abs(value), abs(now)) + 0x1p-24 else { return false }
      rest += (value - now) * (value - now)
      change += (now - then) * (now - then)
    }
    return true
  }

  /// The sketch of the merged tensor; nil where the recorded one does not say enough.
  private func expected(
    _ tensor: AdaptedTensor, _ then: [Float], as type: ElementType
  ) throws -> [Double]? {
    let program = try TensorProgram(tensor.operations, type: type, shape: tensor.info.shape)
    guard !program.needsMeasuring, program.grid.alignment == 1,
      (1...Self.maximumColumns).contains(program.grid.columns)
    else { return nil }
    // What else is in a row is not known: it must not matter.
    let zeros = try values(of: tensor, program, type, then, among: 0)
    return try zeros == values(of: tensor, program, type, then, among: 1) ? zeros : nil
  }

  /// The recorded values after the change, each row filled up with some other value.
  private func values(
    of tensor: AdaptedTensor, _ program: TensorProgram, _ type: ElementType, _ then: [Float],
    among filler: Float
  ) throws -> [Double] {
    let positions = TensorSample.sketchPositions(count: tensor.info.shape.count)
    let columns = program.grid.columns
    var result = [Double](repeating: 0, count: positions.count)
    for (row, places) in Dictionary(grouping: positions.indices, by: { positions[$0] / columns }) {
      var values = [Float](repeating: filler, count: columns)
      for place in places { values[positions[place] % columns] = then[place] }
      let changed = try apply(program, type, to: values, row: row)
      for place in places { result[place] = changed[positions[place] % columns] }
    }
    return result
  }

  /// One row, rounded to the stored type, changed, and widened.
  private func apply(
    _ program: TensorProgram, _ type: ElementType, to values: [Float], row: Int
  ) throws -> [Double] {
    var stored = [UInt8](repeating: 0, count: values.count * type.bitWidth / 8)
    var result = [Double](repeating: 0, count: values.count)
    try unsafe stored.withUnsafeMutableBytesThrowing { bytes in
      unsafe values.withUnsafeBufferPointer { unsafe Float.round($0, to: type, into: bytes) }
      try unsafe program.apply(to: bytes, rows: row..<row + 1, scratch: scratch)
      unsafe result.withUnsafeMutableBufferPointer {
        unsafe Double.widen(UnsafeRawBufferPointer(bytes), of: type, into: $0)
      }
    }
    return result
  }
}

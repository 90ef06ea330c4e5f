internal import CPlatform
internal import Storage
internal import StrictJSON

/// compressed-tensors' packed integers, each row by itself: one to eight bits in words of 32.
///
/// | `X.weight_packed` | value of [o, i] |
/// |---|---|
/// | I32 [out, ⌈in · bits / 32⌉] | (q − 2^(bits − 1) − z) · scale; q the `bits` bits from bit i · bits of the row; scale and z those of group ⌊i / size⌋, or of `weight_g_idx`[i] |
struct PackedIntegers: QuantisedElements {
  private let codeName: Name
  private let codes: FileRange
  private let rowBytes: Int
  private let columns: Int
  private let bits: Int
  private let groupCount: Int
  /// The group of each column, where they are in another order.
  private let order: [Int]?
  private let scales: StoredNumbers
  private let zeros: FileRange?

  private static let scheme = QuantisationScheme.compressedTensors

  var errorBound: Double { Self.errorBound(bits: bits) }

  var sources: [FileRange] { [codes, scales.bytes] + (zeros.map { [$0] } ?? []) }

  // MARK: Finding them

  /// Returns the names of the tensors that compressed-tensors keeps beside the codes of a parameter.
  static func companions(of name: Name, in checkpoint: Checkpoint) -> [Name] {
    checkpoint.companions(
      of: name, ["_scale", "_shape", "_zero_point", "_g_idx", "_global_scale"])
  }

  static func parameter(
    _ name: Name, in checkpoint: Checkpoint
  ) throws(CheckpointError) -> QuantisedParameter {
    let packed = Name("\(name)_packed")
    guard let tensor = checkpoint.tensor(packed), let codes = tensor.fileRange,
      tensor.info.shape.dimensions.count == 2, tensor.info.shape.count > 0
    else { throw .quantised(name, scheme, "\(packed) is not a matrix") }
    let (rows, words) = (tensor.info.shape.dimensions[0], tensor.info.shape.dimensions[1])
    guard tensor.info.type == .i32 else {
      throw .quantised(name, scheme, "\(packed) is not of I32")
    }
    let (columns, bits) = try size(of: name, rows, words, in: checkpoint)
    guard let scale = checkpoint.tensor(Name("\(name)_scale"))?.info,
      scale.shape.dimensions.count == 2, scale.shape.dimensions[0] == rows,
      scale.shape.dimensions[1] > 0, columns.isMultiple(of: scale.shape.dimensions[1])
    else { throw .quantised(name, scheme, "weight_scale is missing, or not for \(rows) rows") }
    let groups = scale.shape.dimensions[1]
    return QuantisedParameter(
      info: try TensorInfo(name, scale.type, [rows, columns], of: scheme), scheme: scheme,
      codes: packed, companions: companions(of: name, in: checkpoint),
      elements: PackedIntegers(
        codeName: packed, codes: codes, rowBytes: 4 * words, columns: columns, bits: bits,
        groupCount: groups,
        order: try order(of: name, columns, groups, in: checkpoint),
        scales: try StoredNumbers(
          Name("\(name)_scale"), [.f32, .bf16, .f16], shape: [rows, groups], of: name, scheme,
          in: checkpoint),
        zeros: try zeros(of: name, [(rows * bits + 31) / 32, groups], in: checkpoint)))
  }

  private static func size(
    of name: Name, _ rows: Int, _ words: Int, in checkpoint: Checkpoint
  ) throws(CheckpointError) -> (columns: Int, bits: Int) {
    guard let stored = checkpoint.tensor(Name("\(name)_shape")), stored.info.type == .i64,
      stored.info.shape.count == 2
    else { throw .quantised(name, scheme, "weight_shape is missing") }
    let bytes = try storing { () throws(StorageError) in try stored.contents() }
    let shape = [
      PackedBits.integer(at: 0, of: 8, in: bytes), PackedBits.integer(at: 8, of: 8, in: bytes),
    ]
    guard shape[0] == UInt64(rows), shape[1] > 0, shape[1] <= UInt64(words) * 32,
      let bits = (1...8).last(where: { (Int(shape[1]) * $0 + 31) / 32 == words })
    else { throw .quantised(name, scheme, "weight_shape \(shape) is not what the words hold") }
    return (Int(shape[1]), bits)
  }

  private static func zeros(
    of name: Name, _ shape: [Int], in checkpoint: Checkpoint
  ) throws(CheckpointError) -> FileRange? {
    guard let zeros = checkpoint.tensor(Name("\(name)_zero_point")) else { return nil }
    guard zeros.info.type == .i32, zeros.info.shape.dimensions == shape else {
      throw .quantised(name, scheme, "\(name)_zero_point has the shape \(zeros.info.shape)")
    }
    return zeros.fileRange
  }

  /// The groups of the columns, where activations have ordered them; a −1 stands for a file that has the usual ones.
  private static func order(
    of name: Name, _ columns: Int, _ groups: Int, in checkpoint: Checkpoint
  ) throws(CheckpointError) -> [Int]? {
    let index = Name("\(name)_g_idx")
    guard let stored = checkpoint.tensor(index) else { return nil }
    guard stored.info.type == .i32, stored.info.shape.dimensions == [columns] else {
      throw .quantised(name, scheme, "\(index) has the shape \(stored.info.shape)")
    }
    let bytes = try storing { () throws(StorageError) in try stored.contents() }
    let order = (0..<columns).map { place in
      Int(Int32(truncatingIfNeeded: PackedBits.integer(at: 4 * place, of: 4, in: bytes)))
    }
    if order.contains(-1) { return nil }
    // Where a group has no column, the library takes the next one's scale.
    guard Set(order) == Set(0..<groups) else {
      throw .quantised(name, scheme, "\(index) does not name each of \(groups) groups")
    }
    return order
  }

  // MARK: Values

  func read(
    _ range: Range<Int>, into values: UnsafeMutableBufferPointer<Float>
  ) throws(StorageError) {
    let groupSize = columns / groupCount
    try forEachRow(of: range, columns: columns) {
      (row, column, part) throws(StorageError) in
      // What is read at once may reach beyond the last code.
      let bytes = try codes.contents(row * rowBytes..<(row + 1) * rowBytes) + [0, 0]
      let scales = try scales.values(row * groupCount..<(row + 1) * groupCount)
      let zeros = try zeros(of: row)
      let end = column + part.count
      let target = unsafe UnsafeMutableBufferPointer(
        rebasing: values[part.lowerBound - range.lowerBound..<part.upperBound - range.lowerBound])
      if let order {
        for index in column..<end {
          let group = order[index]
          unsafe decode(
            index..<index + 1, bytes, scales[group], zeros?[group] ?? 0, from: column, into: target)
        }
        return
      }
      for group in column / groupSize...(end - 1) / groupSize {
        let run = (group * groupSize..<(group + 1) * groupSize).clamped(to: column..<end)
        unsafe decode(run, bytes, scales[group], zeros?[group] ?? 0, from: column, into: target)
      }
    }
  }

  /// Codes of one group.
  private func decode(
    _ run: Range<Int>, _ bytes: [UInt8], _ scale: Float, _ zero: Float, from column: Int,
    into values: UnsafeMutableBufferPointer<Float>
  ) {
    if bits == 4, run.count >= 32 {
      return unsafe decodeNibbles(run, bytes, scale, zero, column, values)
    }
    unsafe bytes.withUnsafeBufferPointer { bytes in
      let (mask, middle) = (1 << bits - 1, 1 << (bits - 1))
      for index in run {
        let bit = index * bits
        let pair = unsafe Int(bytes[bit / 8]) | Int(bytes[bit / 8 + 1]) << 8
        let code = pair >> (bit % 8) & mask - middle
        unsafe values[index - column] = (Float(code) - zero) * scale
      }
    }
  }

  /// The same for four bits, whole words at once.
  private func decodeNibbles(
    _ run: Range<Int>, _ bytes: [UInt8], _ scale: Float, _ zero: Float, _ column: Int,
    _ values: UnsafeMutableBufferPointer<Float>
  ) {
    let words = (run.lowerBound + 7) / 8..<run.upperBound / 8
    for part in [run.lowerBound..<8 * words.lowerBound, 8 * words.upperBound..<run.upperBound] {
      for index in part {
        let byte = bytes[index / 2]
        let code = Float(index % 2 == 0 ? byte & 15 : byte >> 4)
        unsafe values[index - column] = (code - (zero + 8)) * scale
      }
    }
    guard let start = values.baseAddress else { return }
    unsafe bytes.withUnsafeBytes { bytes in
      guard let first = bytes.baseAddress else { return }
      unsafe platform_nibbles(
        first + 4 * words.lowerBound, words.count, scale, zero + 8,
        start + (8 * words.lowerBound - column))
    }
  }

  /// The zeros of a row, which are packed along the rows.
  private func zeros(of row: Int) throws(StorageError) -> [Float]? {
    guard let zeros else { return nil }
    let (first, last) = (row * bits / 32, ((row + 1) * bits - 1) / 32)
    let bytes = try zeros.contents(4 * first * groupCount..<4 * (last + 1) * groupCount)
    return (0..<groupCount).map { group in
      var words: [UInt8] = []
      for word in 0...last - first {
        words += bytes[4 * (word * groupCount + group)..<4 * (word * groupCount + group) + 4]
      }
      return Float(PackedBits.bits(row * bits - 32 * first, bits, words) - 1 << (bits - 1))
    }
  }
}

// MARK: - Other values

extension PackedIntegers {
  var reasonNotToRequantise: String? {
    32 % bits == 0 ? nil : "integers of \(bits) bits, which go across words, are not made again"
  }

  var made: [Name] { [codeName] }

  /// Scales and zeros stay: a calibration chose them.
  func requantise(_ work: Requantisation) throws {
    let middle = Float(1 << (bits - 1))
    let groups = order ?? (0..<columns).map { $0 / (columns / groupCount) }
    try work.forEachRun(of: columns) { run in
      let first = run.range.lowerBound / columns
      var codes = [UInt8](repeating: 0, count: run.range.count / columns * rowBytes)
      for row in first..<run.range.upperBound / columns {
        let scales = try self.scales.values(row * groupCount..<(row + 1) * groupCount)
        let zeros = try self.zeros(of: row) ?? [Float](repeating: 0, count: groupCount)
        for column in 0..<columns {
          let (scale, zero) = (scales[groups[column]], zeros[groups[column]])
          let place = (row - first) * columns + column
          let step = wholeSteps(run.wanted[place], of: scale) + zero
          let code = min(max(step, -middle), middle - 1)
          let bit = column * bits
          codes[(row - first) * rowBytes + bit / 8] |= byte(code + middle) << UInt8(bit % 8)
          run.result[place] = (code - zero) * scale
          run.steps[place] = scale.magnitude
        }
      }
      try work.write(codeName, first * rowBytes, codes)
    }
  }
}

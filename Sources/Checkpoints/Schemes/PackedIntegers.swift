internal import Storage
internal import StrictJSON

/// compressed-tensors' packed weights, each row by itself: integers of one to eight bits in words of 32, or codes of E2M1
/// in bytes.
///
/// | `X.weight_packed` | value of [o, i] |
/// |---|---|
/// | I32 [out, ⌈in · bits / 32⌉] | (q − 2^(bits − 1) − z) · scale; q the `bits` bits from bit i · bits of the row |
/// | U8 [out, in / 2], scales F8_E4M3 of 16, `weight_global_scale` | e2m1 · (scale / global) |
/// | U8 [out, in / 2], scales U8 of 32 | e2m1 · 2^(e − 127) |
struct PackedIntegers: QuantisedElements {
  private let codes: FileRange
  private let rowBytes: Int
  private let columns: Int
  private let form: Form
  private let groupSize: Int
  private let scales: StoredNumbers
  private let zeros: FileRange?
  /// What the scales are divided by.
  private let global: Float

  private enum Form: Sendable {
    case integers(bits: Int)
    case e2m1
  }

  private static let scheme = QuantisationScheme.compressedTensors

  var sources: [FileRange] { [codes, scales.bytes] + (zeros.map { [$0] } ?? []) }

  static func parameter(
    _ name: Name, in checkpoint: Checkpoint
  ) throws(CheckpointError) -> QuantisedParameter {
    let packed = Name("\(name)_packed")
    guard let tensor = checkpoint.tensor(packed), let codes = tensor.fileRange,
      tensor.info.shape.dimensions.count == 2, tensor.info.shape.count > 0
    else { throw .quantised(name, scheme, "\(packed) is not a matrix") }
    let parts = ["_packed", "_scale", "_shape", "_zero_point", "_g_idx", "_global_scale"]
    let module = name.text.hasSuffix("weight") ? String(name.text.dropLast("weight".count)) : ""
    let companions =
      (parts.map { name.text + $0 }
      + ["input_global_scale", "input_scale", "output_scale", "k_scale", "v_scale"].map {
        module + $0
      })
      .map { Name($0) }.filter { $0 != packed && checkpoint.tensor($0) != nil }
    guard checkpoint.tensor(Name("\(name)_g_idx")) == nil else {
      throw .quantised(name, scheme, "an order of groups of its own (weight_g_idx) is not read")
    }
    let rows = tensor.info.shape.dimensions[0]
    let (elements, type, columns) =
      tensor.info.type == .u8
      ? try floats(name, codes, rows, tensor.info.shape.dimensions[1], in: checkpoint)
      : try integers(name, codes, tensor.info, in: checkpoint)
    return QuantisedParameter(
      info: try TensorInfo(name, type, [rows, columns], of: scheme), scheme: scheme, codes: packed,
      companions: companions, elements: elements)
  }

  private static func floats(
    _ name: Name, _ codes: FileRange, _ rows: Int, _ rowBytes: Int, in checkpoint: Checkpoint
  ) throws(CheckpointError) -> (PackedIntegers, ElementType, Int) {
    let columns = 2 * rowBytes
    let scaleName = Name("\(name)_scale")
    let isNVFP4 = checkpoint.tensor(scaleName)?.info.type == .f8E4M3
    let groupSize = isNVFP4 ? 16 : 32
    guard columns.isMultiple(of: groupSize) else {
      throw .quantised(name, scheme, "rows of \(columns) elements are not whole groups")
    }
    let scales = try StoredNumbers(
      scaleName, [.f8E4M3, .u8, .f8E8M0], shape: [rows, columns / groupSize], of: name, scheme,
      in: checkpoint)
    var global: Float = 1
    if isNVFP4 {
      let numbers = try StoredNumbers(
        Name("\(name)_global_scale"), [.f32], shape: nil, of: name, scheme, in: checkpoint)
      let values = try storing { () throws(StorageError) in try numbers.values() }
      guard values.count == 1, values[0].isFinite, values[0] > 0 else {
        throw .quantised(name, scheme, "weight_global_scale is not one positive number")
      }
      global = values[0]
    }
    return (
      PackedIntegers(
        codes: codes, rowBytes: rowBytes, columns: columns, form: .e2m1, groupSize: groupSize,
        scales: scales.asExponents, zeros: nil, global: global), .bf16, columns
    )
  }

  private static func integers(
    _ name: Name, _ codes: FileRange, _ info: TensorInfo, in checkpoint: Checkpoint
  ) throws(CheckpointError) -> (PackedIntegers, ElementType, Int) {
    let (rows, words) = (info.shape.dimensions[0], info.shape.dimensions[1])
    guard info.type == .i32, let stored = checkpoint.tensor(Name("\(name)_shape")),
      stored.info.type == .i64, stored.info.shape.count == 2
    else { throw .quantised(name, scheme, "weight_shape is missing, or weight_packed not of I32") }
    let bytes = try storing { () throws(StorageError) in try stored.contents() }
    let shape = [
      PackedBits.integer(at: 0, of: 8, in: bytes), PackedBits.integer(at: 8, of: 8, in: bytes),
    ]
    guard shape[0] == UInt64(rows), shape[1] > 0, shape[1] <= UInt64(words) * 32,
      let bits = (1...8).last(where: { (Int(shape[1]) * $0 + 31) / 32 == words })
    else { throw .quantised(name, scheme, "weight_shape \(shape) is not what the words hold") }
    let columns = Int(shape[1])
    guard let scale = checkpoint.tensor(Name("\(name)_scale"))?.info,
      scale.shape.dimensions.count == 2, scale.shape.dimensions[0] == rows,
      scale.shape.dimensions[1] > 0, columns.isMultiple(of: scale.shape.dimensions[1])
    else { throw .quantised(name, scheme, "weight_scale is missing, or not for \(rows) rows") }
    let groups = scale.shape.dimensions[1]
    let scales = try StoredNumbers(
      Name("\(name)_scale"), [.f32, .bf16, .f16], shape: [rows, groups], of: name, scheme,
      in: checkpoint)
    let zeroName = Name("\(name)_zero_point")
    let zeros = checkpoint.tensor(zeroName)
    if let zeros {
      guard zeros.info.type == .i32,
        zeros.info.shape.dimensions == [(rows * bits + 31) / 32, groups]
      else { throw .quantised(name, scheme, "\(zeroName) has the shape \(zeros.info.shape)") }
    }
    return (
      PackedIntegers(
        codes: codes, rowBytes: 4 * words, columns: columns, form: .integers(bits: bits),
        groupSize: columns / groups, scales: scales, zeros: zeros?.fileRange, global: 1),
      scale.type, columns
    )
  }

  func read(
    _ range: Range<Int>, into values: UnsafeMutableBufferPointer<Float>
  ) throws(StorageError) {
    let groups = columns / groupSize
    try forEachRow(of: range, columns: columns) {
      (row, column, part) throws(StorageError) in
      // What is read at once may reach beyond the last code.
      let bytes = try codes.contents(row * rowBytes..<(row + 1) * rowBytes) + [0, 0]
      var scales = try scales.values(row * groups..<(row + 1) * groups)
      if global != 1 { scales = scales.map { $0 / global } }
      let zeros = try zeros(of: row, groups)
      let end = column + part.count
      let target = unsafe UnsafeMutableBufferPointer(
        rebasing: values[part.lowerBound - range.lowerBound..<part.upperBound - range.lowerBound])
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
    unsafe bytes.withUnsafeBufferPointer { bytes in
      switch form {
      case .e2m1:
        unsafe FloatTables.e2m1.withUnsafeBufferPointer { table in
          for index in run {
            let byte = unsafe bytes[index / 2]
            let code = index % 2 == 0 ? byte & 15 : byte >> 4
            unsafe values[index - column] = table[Int(code)] * scale
          }
        }
      case .integers(let bits):
        let (mask, middle) = (1 << bits - 1, 1 << (bits - 1))
        for index in run {
          let bit = index * bits
          let pair = unsafe Int(bytes[bit / 8]) | Int(bytes[bit / 8 + 1]) << 8
          let code = pair >> (bit % 8) & mask - middle
          unsafe values[index - column] = (Float(code) - zero) * scale
        }
      }
    }
  }

  /// The zeros of a row, which are packed along the rows.
  private func zeros(of row: Int, _ groups: Int) throws(StorageError) -> [Float]? {
    guard let zeros, case .integers(let bits) = form else { return nil }
    let (first, last) = (row * bits / 32, ((row + 1) * bits - 1) / 32)
    let bytes = try zeros.contents(4 * first * groups..<4 * (last + 1) * groups)
    return (0..<groups).map { group in
      var words: [UInt8] = []
      for word in 0...last - first {
        words += bytes[4 * (word * groups + group)..<4 * (word * groups + group) + 4]
      }
      return Float(PackedBits.bits(row * bits - 32 * first, bits, words) - 1 << (bits - 1))
    }
  }
}

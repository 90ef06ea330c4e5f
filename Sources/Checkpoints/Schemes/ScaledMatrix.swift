internal import Storage
internal import StrictJSON

/// Codes of a byte each, of a matrix or a stack of them, whose blocks of rows and columns have a scale each: FP8, and
/// integers of eight bits.
///
/// | scheme | value of [o, i] |
/// |---|---|
/// | FP8 by blocks | q · scale_inv[⌊o / bm⌋, ⌊i / bn⌋], the last block shorter |
/// | FP8 by tensor or channel | q · scale |
/// | integers by tensor, channel or groups | (q − z) · scale |
/// | LLM.int8 | (q · SCB[o]) · 1/127, in this order |
struct ScaledMatrix: QuantisedElements {
  private let name: Name
  private let scaleName: Name
  private let codes: FileRange
  private let table: [Float]
  private let rows: Int
  private let columns: Int
  private let block: (rows: Int, columns: Int)
  private let scales: StoredNumbers
  /// The zero points that codes are counted from; nil if they are counted from 0.
  private let zeros: StoredNumbers?
  /// The factor by which the product is multiplied once more; nil if there is none.
  private let factor: Float?

  /// Floats of eight bits have two or three for the fraction.
  var errorBound: Double { table == Self.int8 ? Self.errorBound(bits: 8) : 0.08 }

  var sources: [FileRange] { [codes, scales.bytes] + (zeros.map { [$0.bytes] } ?? []) }

  private var scaleColumns: Int { (columns + block.columns - 1) / block.columns }
  private var scaleRows: Int { (rows + block.rows - 1) / block.rows }

  private static let int8: [Float] = (UInt8.min ... .max).map { Float(Int8(bitPattern: $0)) }

  // MARK: Finding them

  /// bitsandbytes' LLM.int8.
  static func int8(
    _ name: Name, in checkpoint: Checkpoint
  ) throws(CheckpointError) -> QuantisedParameter {
    let scheme = QuantisationScheme.bitsandbytesInt8
    let module = name.dropLast("weight".utf8.count)
    let (tensor, shape) = try matrix(name, [.i8], scheme, in: checkpoint)
    guard shape.count == 2 else { throw .quantised(name, scheme, "it is not a matrix of codes") }
    let format = Name("\(module)weight_format")
    if let stored = checkpoint.tensor(format) {
      let bytes = try storing { () throws(StorageError) in try stored.contents() }
      guard bytes.allSatisfy({ $0 == 0 }) else {
        throw .quantised(name, scheme, "\(format) is a layout for a GPU, not rows")
      }
    }
    let scales = try StoredNumbers(
      Name("\(module)SCB"), [.f32], shape: [shape[0]], of: name, scheme, in: checkpoint)
    return QuantisedParameter(
      info: try TensorInfo(name, .f32, shape, of: scheme), scheme: scheme, codes: name,
      companions: [Name("\(module)SCB"), format].filter { checkpoint.tensor($0) != nil },
      elements: ScaledMatrix(
        name: name, scaleName: Name("\(module)SCB"), codes: tensor, table: int8, rows: shape[0],
        columns: shape[1], block: (1, shape[1]),
        scales: scales, zeros: nil, factor: Float(bitPattern: 0x3C01_0204)))
  }

  /// Eight-bit floats, or integers of compressed-tensors, by tensor, channel or blocks.
  static func scaled(
    _ name: Name, _ scheme: QuantisationScheme, _ config: QuantisationConfig?,
    in checkpoint: Checkpoint
  ) throws(CheckpointError) -> QuantisedParameter {
    let (codes, shape) = try matrix(name, [.f8E4M3, .f8E5M2, .i8], scheme, in: checkpoint)
    let type = checkpoint.tensor(name)?.info.type ?? .f8E4M3
    let inverse = Name("\(name)_scale_inv")
    let scaleName = checkpoint.tensor(inverse) == nil ? Name("\(name)_scale") : inverse
    guard let stored = checkpoint.tensor(scaleName)?.info else {
      throw .quantised(name, scheme, "\(scaleName) is missing")
    }
    let (block, expected) =
      scaleName == inverse
      ? try squares(name, shape, scheme, config)
      : try channels(scaleName, of: name, shape, stored, scheme)
    let scales = try StoredNumbers(
      scaleName, [.f32, .bf16, .f16, .f8E8M0, .u8], shape: expected, of: name, scheme,
      in: checkpoint)
    let zeroName = Name("\(name)_zero_point")
    let zeros = try checkpoint.tensor(zeroName).map { (_) throws(CheckpointError) in
      try StoredNumbers(
        zeroName, type == .i8 ? [.i8] : [], shape: expected, of: name, scheme, in: checkpoint)
    }
    let result: ElementType =
      scaleName != inverse && [.bf16, .f16].contains(stored.type) ? stored.type : .f32
    return QuantisedParameter(
      info: try TensorInfo(name, result, shape, of: scheme), scheme: scheme, codes: name,
      companions: checkpoint.companions(
        of: name, ["_scale", "_scale_inv", "_shape", "_zero_point"]),
      elements: ScaledMatrix(
        name: name, scaleName: scaleName, codes: codes,
        table: type == .i8 ? int8 : type == .f8E5M2 ? FloatTables.e5m2 : FloatTables.e4m3,
        rows: shape.dropLast().reduce(1, *), columns: shape[shape.count - 1], block: block,
        scales: scales.asExponents, zeros: zeros, factor: nil))
  }

  /// Blocks of rows and columns, whose size only the configuration has.
  private static func squares(
    _ name: Name, _ shape: [Int], _ scheme: QuantisationScheme, _ config: QuantisationConfig?
  ) throws(CheckpointError) -> (block: (rows: Int, columns: Int), scales: [Int]) {
    guard let sizes = config?.integers("weight_block_size"), sizes.count == 2,
      sizes.allSatisfy({ (1...1 << 20).contains($0) })
    else {
      throw .quantised(name, scheme, "weight_block_size is not in quantization_config")
    }
    guard shape.count == 2 || shape[shape.count - 2].isMultiple(of: sizes[0]) else {
      throw .quantised(name, scheme, "a stack whose blocks do not end with its matrices")
    }
    return (
      (sizes[0], sizes[1]),
      shape.dropLast(2) + zip(shape.suffix(2), sizes).map { ($0 + $1 - 1) / $1 }
    )
  }

  /// One scale for all, one for each row, or several for each row.
  private static func channels(
    _ scaleName: Name, of name: Name, _ shape: [Int], _ stored: TensorInfo,
    _ scheme: QuantisationScheme
  ) throws(CheckpointError) -> (block: (rows: Int, columns: Int), scales: [Int]) {
    let (rows, columns) = (shape.dropLast().reduce(1, *), shape[shape.count - 1])
    let dimensions = stored.shape.dimensions
    if stored.shape.count == 1 { return ((rows, columns), dimensions) }
    if shape.count == 2, dimensions.count == 2, dimensions[0] == rows, dimensions[1] > 0,
      columns.isMultiple(of: dimensions[1])
    {
      return ((1, columns / dimensions[1]), dimensions)
    }
    if dimensions == [rows] { return ((1, columns), dimensions) }
    throw .quantised(name, scheme, "\(scaleName) has the shape \(stored.shape), for \(shape)")
  }

  private static func matrix(
    _ name: Name, _ types: [ElementType], _ scheme: QuantisationScheme, in checkpoint: Checkpoint
  ) throws(CheckpointError) -> (FileRange, [Int]) {
    guard let tensor = checkpoint.tensor(name), types.contains(tensor.info.type),
      let range = tensor.fileRange, tensor.info.shape.dimensions.count >= 2,
      tensor.info.shape.count > 0
    else { throw .quantised(name, scheme, "it is not a matrix of codes") }
    return (range, tensor.info.shape.dimensions)
  }

  // MARK: Values

  func read(
    _ range: Range<Int>, into values: UnsafeMutableBufferPointer<Float>
  ) throws(StorageError) {
    let bytes = try codes.contents(range)
    try forEachRow(of: range, columns: columns) {
      (row, column, part) throws(StorageError) in
      let first = row / block.rows * scaleColumns + column / block.columns
      let last = row / block.rows * scaleColumns + (column + part.count - 1) / block.columns
      let scales = try scales.values(first..<last + 1)
      let zeros = try zeros?.values(first..<last + 1)
      unsafe fill(part, bytes, from: range.lowerBound, column, scales, zeros, values)
    }
  }

  /// Elements of one row.
  private func fill(
    _ part: Range<Int>, _ bytes: [UInt8], from start: Int, _ column: Int, _ scales: [Float],
    _ zeros: [Float]?, _ values: UnsafeMutableBufferPointer<Float>
  ) {
    let firstBlock = column / block.columns
    unsafe bytes.withUnsafeBufferPointer { bytes in
      unsafe table.withUnsafeBufferPointer { table in
        var (index, column) = (part.lowerBound, column)
        while index < part.upperBound {
          let scale = scales[column / block.columns - firstBlock]
          let count = min(part.upperBound - index, block.columns - column % block.columns)
          let offsets = index - start..<index - start + count
          if let zero = zeros?[column / block.columns - firstBlock] {
            for offset in offsets {
              unsafe values[offset] = (table[Int(bytes[offset])] - zero) * scale
            }
          } else {
            for offset in offsets { unsafe values[offset] = table[Int(bytes[offset])] * scale }
          }
          if let factor { for offset in offsets { unsafe values[offset] *= factor } }
          index += count
          column += count
        }
      }
    }
  }
}

// MARK: - Other values

extension ScaledMatrix {
  /// The divisor that makes a new scale from a block's largest value: 448 or 57344 for a float, 1 for LLM.int8; nil if
  /// the scales stay.
  private var scaleDivisor: Float? {
    factor != nil ? 1 : table == FloatTables.e4m3 ? 448 : table == FloatTables.e5m2 ? 57344 : nil
  }

  var made: [Name] { [name] + (scaleDivisor == nil ? [] : [scaleName]) }

  func requantise(_ work: Requantisation) throws {
    let numbers: [Float]
    if let divisor = scaleDivisor {
      let raw = try largest(work).map { $0 / divisor }
      let bytes = try scales.encoded(raw, keepingZeros: true)
      try work.write(scaleName, 0, bytes)
      numbers = scales.decoded(bytes)
    } else {
      numbers = try scales.values()
    }
    let (zeros, gaps) = (try self.zeros?.values(), FloatTables.gaps(of: table))
    let (kind, factor) = (kind, factor ?? 1)
    try work.forEachRun(of: columns) { run in
      var codes = [UInt8](repeating: 0, count: run.range.count)
      forEachBlock(of: run.range) { place, part in
        let (scale, zero) = (numbers[place], zeros?[place] ?? 0)
        guard scale != 0, scale.isFinite else { return }
        switch kind {
        case .e4m3: for index in part { codes[index] = SmallFloat.e4m3(run.wanted[index] / scale) }
        case .e5m2: for index in part { codes[index] = SmallFloat.e5m2(run.wanted[index] / scale) }
        case .integers:
          for index in part {
            let code = wholeSteps(run.wanted[index], of: scale) + zero
            codes[index] = byte(min(max(code, -128), 127))
          }
        case .rows:
          for index in part {
            let code = wholeSteps(run.wanted[index] * 127, of: scale)
            codes[index] = byte(min(max(code, -127), 127))
          }
        }
        for index in part {
          let code = Int(codes[index])
          run.result[index] = (table[code] - zero) * scale * factor
          run.steps[index] = gaps[code] * scale.magnitude * factor
        }
      }
      try work.write(name, run.range.lowerBound, codes)
    }
  }

  private enum Kind {
    case e4m3, e5m2, integers
    /// LLM.int8, whose codes are of a largest value for each row.
    case rows
  }

  private var kind: Kind {
    factor != nil
      ? .rows : table == Self.int8 ? .integers : table == FloatTables.e5m2 ? .e5m2 : .e4m3
  }

  /// Calls `body` with the scale's place and the elements, counted from the first, of what one scale has of each of some
  /// whole rows.
  private func forEachBlock(
    of range: Range<Int>, _ body: (_ place: Int, _ part: Range<Int>) -> Void
  ) {
    for row in range.lowerBound / columns..<range.upperBound / columns {
      let start = row * columns - range.lowerBound
      for block in 0..<scaleColumns {
        let first = block * self.block.columns
        let last = min(first + self.block.columns, columns)
        body(row / self.block.rows * scaleColumns + block, start + first..<start + last)
      }
    }
  }

  /// The largest magnitude in every block.
  private func largest(_ work: Requantisation) throws -> [Float] {
    let result = Guarded([Float](repeating: 0, count: scales.count))
    try work.scan(runsOf: columns) { range, values in
      let first = range.lowerBound / columns / block.rows * scaleColumns
      let end = ((range.upperBound - 1) / columns / block.rows + 1) * scaleColumns
      var own = [Float](repeating: 0, count: end - first)
      forEachBlock(of: range) { place, part in
        var size = own[place - first]
        for index in part { size = max(size, values[index].magnitude) }
        own[place - first] = size
      }
      result.withLock { all in
        for (index, size) in own.enumerated() { all[first + index] = max(all[first + index], size) }
      }
    }
    return result.withLock(\.self)
  }
}

internal import Storage
internal import StrictJSON

/// NF4 and FP4 of bitsandbytes: table[code] · absmax of its block, blocks running on across rows; with double
/// quantisation absmax itself is a code of 256, times an absmax of its own, plus an offset.
struct BitsAndBytes4: QuantisedElements {
  private let name: Name
  private let state: Name
  private let codes: FileRange
  private let table: [Float]
  private let blockSize: Int
  private let absmax: StoredNumbers
  private let nested: Nested?

  private struct Nested {
    let map: [Float]
    let absmax: StoredNumbers
    let blockSize: Int
    let offset: Float
    /// The text that has the offset.
    let state: [UInt8]
  }

  var errorBound: Double { Self.errorBound(bits: 4) }

  var sources: [FileRange] { [codes, absmax.bytes] + (nested.map { [$0.absmax.bytes] } ?? []) }

  static func parameter(
    _ name: Name, _ scheme: QuantisationScheme, in checkpoint: Checkpoint
  ) throws(CheckpointError) -> QuantisedParameter {
    let kind = scheme == .bitsandbytesFP4 ? "fp4" : "nf4"
    let state = Name("\(name).quant_state.bitsandbytes__\(kind)")
    let fields = try QuantState(state, of: name, scheme, in: checkpoint)
    let info = try TensorInfo(name, fields.type, fields.shape, of: scheme)
    let count = info.shape.count
    guard let codes = checkpoint.tensor(name)?.fileRange, codes.count == UInt64((count + 1) / 2)
    else {
      throw .quantised(
        name, scheme,
        "\(checkpoint.tensor(name)?.info.byteCount ?? 0) bytes are not those of \(fields.shape)")
    }
    guard fields.kind == kind else {
      throw .quantised(name, scheme, "\(state) says \(fields.kind)")
    }
    let blocks = (count + fields.blockSize - 1) / fields.blockSize
    let absmax = try StoredNumbers(
      Name("\(name).absmax"), fields.nested == nil ? [.f32] : [.u8], shape: [blocks], of: name,
      scheme, in: checkpoint)
    let table = kind == "fp4" ? FloatTables.fp4 : FloatTables.nf4
    try check(Name("\(name).quant_map"), is: table, of: name, scheme, in: checkpoint)
    let parts = ["absmax", "quant_map", "nested_absmax", "nested_quant_map"].map {
      Name("\(name).\($0)")
    }
    return QuantisedParameter(
      info: info, scheme: scheme, codes: name,
      companions: (parts + [state]).filter { checkpoint.tensor($0) != nil },
      elements: BitsAndBytes4(
        name: name, state: state, codes: codes, table: table, blockSize: fields.blockSize,
        absmax: absmax,
        nested: try nested(fields, blocks, of: name, scheme, in: checkpoint)))
  }

  private static func nested(
    _ fields: QuantState, _ count: Int, of name: Name, _ scheme: QuantisationScheme,
    in checkpoint: Checkpoint
  ) throws(CheckpointError) -> Nested? {
    guard let nested = fields.nested else { return nil }
    let map = try StoredNumbers(
      Name("\(name).nested_quant_map"), [.f32], shape: [256], of: name, scheme, in: checkpoint)
    let absmax = try StoredNumbers(
      Name("\(name).nested_absmax"), [.f32],
      shape: [(count + nested.blockSize - 1) / nested.blockSize], of: name, scheme, in: checkpoint)
    return Nested(
      map: try storing { () throws(StorageError) in try map.values() }, absmax: absmax,
      blockSize: nested.blockSize, offset: nested.offset, state: fields.text)
  }

  /// The library has the table in its kernels: another map is damage, or another scheme.
  private static func check(
    _ map: Name, is table: [Float], of name: Name, _ scheme: QuantisationScheme,
    in checkpoint: Checkpoint
  ) throws(CheckpointError) {
    let numbers = try StoredNumbers(map, [.f32], shape: [16], of: name, scheme, in: checkpoint)
    let values = try storing { () throws(StorageError) in try numbers.values() }
    guard values == table else {
      throw .quantised(name, scheme, "\(map) is not the table of the scheme")
    }
  }

  func read(
    _ range: Range<Int>, into values: UnsafeMutableBufferPointer<Float>
  ) throws(StorageError) {
    let blocks = range.lowerBound / blockSize..<(range.upperBound - 1) / blockSize + 1
    try unsafe NibbleTable(table: table, isUpperFirst: true).read(
      range, from: codes, blocksOf: blockSize, times: scales(blocks), into: values)
  }

  private func scales(_ blocks: Range<Int>) throws(StorageError) -> [Float] {
    guard let nested else { return try absmax.values(blocks) }
    let codes = try absmax.bytes.contents(blocks)
    let outer =
      blocks.lowerBound / nested.blockSize..<(blocks.upperBound - 1) / nested.blockSize + 1
    let factors = try nested.absmax.values(outer)
    return blocks.map { block in
      let code = codes[block - blocks.lowerBound]
      let factor = factors[block / nested.blockSize - outer.lowerBound]
      // Two roundings, as the library has them.
      let product = nested.map[Int(code)] * factor
      return product + nested.offset
    }
  }
}

// MARK: - Other values

extension BitsAndBytes4 {
  var made: [Name] {
    [name, Name("\(name).absmax")]
      + (nested == nil ? [] : [Name("\(name).nested_absmax"), state])
  }

  /// A block's absmax is its largest value; with double quantisation they are codes themselves, around their mean.
  func requantise(_ work: Requantisation) throws {
    let absmax = try largest(work)
    let scales = try nested.map { try write(absmax, $0, work) } ?? absmax
    if nested == nil {
      try work.write(Name("\(name).absmax"), 0, PackedBits.bytes(absmax.map(\.bitPattern)))
    }
    let order = table.indices.sorted { (table[$0], $0) < (table[$1], $1) }
    // FP4 has its zero twice, and its library the first.
    let codeOfZero = table.firstIndex(of: 0) ?? 0
    let nearest = NearestCode(
      codes: order.map { UInt8(table[$0] == 0 ? codeOfZero : $0) },
      middles: zip(order, order.dropFirst()).map { (table[$0] + table[$1]) / 2 })
    let gaps = FloatTables.gaps(of: table)
    try work.forEachRun(of: blockSize) { run in
      let first = run.range.lowerBound / blockSize
      let codes = nearest.codes(of: run.wanted, blocks: blockSize, absmax[first...])
      forEachBlock(of: run.range.count) { block, part in
        let scale = scales[first + block]
        for index in part {
          let code = Int(codes[index])
          run.result[index] = table[code] * scale
          run.steps[index] = gaps[code] * scale.magnitude
        }
      }
      try work.write(name, run.range.lowerBound / 2, PackedBits.nibbles(codes))
    }
  }

  /// How many of these, which ascend, are less.
  private static func rank(_ value: Float, _ middles: [Float]) -> Int {
    var (low, high) = (0, middles.count)
    while low < high {
      let middle = (low + high) / 2
      if middles[middle] < value { low = middle + 1 } else { high = middle }
    }
    return low
  }

  private func largest(_ work: Requantisation) throws -> [Float] {
    let count = work.parameter.info.shape.count
    let result = Guarded([Float](repeating: 0, count: (count + blockSize - 1) / blockSize))
    try work.scan(runsOf: blockSize) {
      range, values in
      let first = range.lowerBound / blockSize
      var own = [Float](repeating: 0, count: (range.upperBound + blockSize - 1) / blockSize - first)
      forEachBlock(of: range.count) { block, part in
        var size: Float = 0
        for index in part { size = max(size, values[index].magnitude) }
        own[block] = size
      }
      result.withLock { $0.replaceSubrange(first..<first + own.count, with: own) }
    }
    return result.withLock(\.self)
  }

  /// Calls `body` with the elements of each block of a run that begins with one.
  private func forEachBlock(of count: Int, _ body: (_ block: Int, _ part: Range<Int>) -> Void) {
    for (block, start) in stride(from: 0, to: count, by: blockSize).enumerated() {
      body(block, start..<min(start + blockSize, count))
    }
  }

  /// Writes what stands for the absmax of every block.
  ///
  /// - Returns: what these are then.
  private func write(
    _ absmax: [Float], _ nested: Nested, _ work: Requantisation
  ) throws -> [Float] {
    let offset = Float(absmax.reduce(0.0) { $0 + Double($1) } / Double(absmax.count))
    let order = nested.map.indices.sorted { nested.map[$0] < nested.map[$1] }
    let middles = zip(order, order.dropFirst()).map { (nested.map[$0] + nested.map[$1]) / 2 }
    var (codes, factors, result): ([UInt8], [Float], [Float]) = ([], [], [])
    for start in stride(from: 0, to: absmax.count, by: nested.blockSize) {
      let own = absmax[start..<min(start + nested.blockSize, absmax.count)].map { $0 - offset }
      let factor = own.reduce(Float(0)) { max($0, $1.magnitude) }
      factors.append(factor)
      for value in own {
        let code =
          factor == 0 ? order[Self.rank(0, middles)] : order[Self.rank(value / factor, middles)]
        codes.append(UInt8(code))
        let product = nested.map[code] * factor
        result.append(product + offset)
      }
    }
    try work.write(Name("\(name).absmax"), 0, codes)
    try work.write(
      Name("\(name).nested_absmax"), 0, PackedBits.bytes(factors.map(\.bitPattern)))
    guard let text = QuantState.text(nested.state, withOffset: offset) else {
      throw CheckpointError.notMade(
        name, work.parameter.scheme, "\(state) has no room for another nested_offset")
    }
    try work.write(state, 0, text)
    return result
  }
}

extension NearestCode {
  /// The codes of values that are divided by the largest of their block; of a block of zeros, that of zero.
  fileprivate func codes(
    of values: [Float], blocks size: Int, _ absmax: ArraySlice<Float>
  ) -> [UInt8] {
    var (quotients, ranks) = (values, [UInt32](repeating: 0, count: size))
    return unsafe [UInt8](unsafeUninitializedCapacity: values.count) { codes, count in
      count = values.count
      unsafe quotients.withUnsafeMutableBufferPointer { quotients in
        unsafe ranks.withUnsafeMutableBufferPointer { ranks in
          for (number, start) in stride(from: 0, to: values.count, by: size).enumerated() {
            let block = start..<min(start + size, values.count)
            let absmax = absmax[absmax.startIndex + number]
            for index in block {
              unsafe quotients[index] = absmax == 0 ? 0 : quotients[index] / absmax
            }
            unsafe find(
              UnsafeBufferPointer(rebasing: quotients[block]),
              UnsafeMutableBufferPointer(rebasing: ranks[..<block.count]),
              into: UnsafeMutableBufferPointer(rebasing: codes[block]))
          }
        }
      }
    }
  }
}

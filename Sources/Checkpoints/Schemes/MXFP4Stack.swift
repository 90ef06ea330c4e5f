internal import CPlatform
internal import Storage
internal import StrictJSON

/// gpt-oss' MXFP4: `P_blocks` [E, out, in / 32, 16] of two codes each, low nibble first, and `P_scales` [E, out, in / 32],
/// the exponents. The parameter is the transpose, [E, in, out].
///
/// A matrix is stored across to how it is read, so it is read in panels of some inputs, and the codes of the last experts are kept.
struct MXFP4Stack: QuantisedElements {
  private let codes: FileRange
  private let exponents: FileRange
  private let inputs: Int
  private let outputs: Int
  private let name: Name
  private let memory: DecodingMemory

  /// Inputs of a panel: whole blocks.
  private static let panelWidth = 64

  struct Expert: Sendable {
    let codes: [UInt8]
    let exponents: [UInt8]
  }

  var errorBound: Double { Self.errorBound(bits: 4) }

  var sources: [FileRange] { [codes, exponents] }

  static func parameter(
    _ name: Name, _ memory: DecodingMemory, in checkpoint: Checkpoint
  ) throws(CheckpointError) -> QuantisedParameter {
    let scheme = QuantisationScheme.mxfp4
    let (blocks, scales) = (Name("\(name)_blocks"), Name("\(name)_scales"))
    guard let tensor = checkpoint.tensor(blocks), tensor.info.type == .u8,
      let codes = tensor.fileRange
    else { throw .quantised(name, scheme, "\(blocks) is missing, or not of bytes") }
    let shape = tensor.info.shape.dimensions
    guard shape.count == 4, shape[3] == 16, tensor.info.shape.count > 0 else {
      throw .quantised(
        name, scheme, "\(blocks) has the shape \(tensor.info.shape), not [E, out, in / 32, 16]")
    }
    let exponents = try StoredNumbers(
      scales, [.u8], shape: Array(shape.dropLast()), of: name, scheme, in: checkpoint)
    let (inputs, outputs) = (32 * shape[2], shape[1])
    return QuantisedParameter(
      info: try TensorInfo(name, .bf16, [shape[0], inputs, outputs], of: scheme), scheme: scheme,
      codes: blocks, companions: [scales],
      elements: MXFP4Stack(
        codes: codes, exponents: exponents.bytes, inputs: inputs, outputs: outputs, name: name,
        memory: memory))
  }

  private func expert(_ index: Int) throws(StorageError) -> Expert {
    let (size, count) = (inputs / 2 * outputs, inputs / 32 * outputs)
    return try memory.experts.part(index, of: name) { () throws(StorageError) in
      Expert(
        codes: try codes.contents(index * size..<(index + 1) * size),
        exponents: try exponents.contents(index * count..<(index + 1) * count))
    }
  }

  func read(
    _ range: Range<Int>, into values: UnsafeMutableBufferPointer<Float>
  ) throws(StorageError) {
    let panelCount = (inputs + Self.panelWidth - 1) / Self.panelWidth
    try forEachRow(of: range, columns: outputs) {
      (row, output, part) throws(StorageError) in
      let (index, input) = row.quotientAndRemainder(dividingBy: inputs)
      guard range.count > DecodingMemory.sampleCount else {
        for offset in 0..<part.count {
          unsafe values[part.lowerBound - range.lowerBound + offset] = try value(
            index * outputs + output + offset, input)
        }
        return
      }
      let number = input / Self.panelWidth
      let panel = try memory.panels.part(index * panelCount + number, of: name) {
        () throws(StorageError) in decoded(number, of: try expert(index))
      }
      let start = (input - number * Self.panelWidth) * outputs + output
      unsafe copyPanel(
        panel, from: start, count: part.count, to: values, at: part.lowerBound - range.lowerBound)
    }
  }

  private func value(_ row: Int, _ input: Int) throws(StorageError) -> Float {
    let place = row * (inputs / 2) + input / 2
    let byte = try codes.contents(place..<place + 1)[0]
    let block = row * (inputs / 32) + input / 32
    let exponent = try exponents.contents(block..<block + 1)[0]
    return FloatTables.e2m1[Int(input % 2 == 0 ? byte & 15 : byte >> 4)]
      * FloatTables.e8m0[Int(exponent)]
  }

  /// The values of some inputs, [in, out].
  private func decoded(_ number: Int, of expert: Expert) -> [Float] {
    let first = number * Self.panelWidth
    let columns = first / 32..<min(first + Self.panelWidth, inputs) / 32
    return unsafe [Float](unsafeUninitializedCapacity: 32 * columns.count * outputs) {
      result, count in
      count = 32 * columns.count * outputs
      guard let start = result.baseAddress else { return }
      for column in columns {
        let target = unsafe start + (column - columns.lowerBound) * 32 * outputs
        unsafe decodeStrips(column, of: expert, into: target)
        let rest = outputs / 8 * 8..<outputs
        unsafe decodeRest(rest, column, of: expert, into: target + rest.lowerBound)
      }
    }
  }

  /// A block of each of the outputs, eight at a time.
  private func decodeStrips(
    _ column: Int, of expert: Expert, into values: UnsafeMutablePointer<Float>
  ) {
    unsafe expert.codes.withUnsafeBufferPointer { codes in
      unsafe expert.exponents.withUnsafeBufferPointer { exponents in
        guard let codes = codes.baseAddress, let exponents = exponents.baseAddress else { return }
        for strip in stride(from: 0, to: outputs - 7, by: 8) {
          let block = strip * (inputs / 32) + column
          unsafe platform_mxfp4(
            codes + 16 * block, inputs / 32, exponents + block, values + strip, outputs)
        }
      }
    }
  }

  /// A block of each of the last outputs, which are fewer than eight.
  private func decodeRest(
    _ rest: Range<Int>, _ column: Int, of expert: Expert, into values: UnsafeMutablePointer<Float>
  ) {
    for output in rest {
      let block = output * (inputs / 32) + column
      let scale = FloatTables.e8m0[Int(expert.exponents[block])]
      for input in 0..<32 {
        let byte = expert.codes[16 * block + input / 2]
        let code = Int(input % 2 == 0 ? byte & 15 : byte >> 4)
        unsafe values[input * outputs + output - rest.lowerBound] = FloatTables.e2m1[code] * scale
      }
    }
  }
}

// MARK: - Other values

extension MXFP4Stack {
  var made: [Name] { [Name("\(name)_blocks"), Name("\(name)_scales")] }

  /// Inputs of a band: whole blocks, and many, as the tiles that it begins and ends in are worked out twice.
  private static let bandWidth = 64

  /// Codes and exponents of some matrices, [out, blocks].
  private struct Codes {
    var codes: [UInt8]
    var exponents: [UInt8]
  }

  /// An exponent stays where its block's largest value fits. One expert is made after the other, each in bands of blocks.
  func requantise(_ work: Requantisation) throws {
    let size = inputs * outputs
    for index in 0..<work.parameter.info.shape.count / size {
      let exponents = try exponents.contents(index * size / 32..<(index + 1) * size / 32)
      let made = Guarded(
        Codes(codes: [UInt8](repeating: 0, count: size / 2), exponents: exponents))
      try ConcurrentWork.perform((inputs + Self.bandWidth - 1) / Self.bandWidth) { (number, _) in
        let first = number * Self.bandWidth
        let blocks = first / 32..<min(first + Self.bandWidth, inputs) / 32
        let own = try band(blocks, at: index * size + first * outputs, exponents, work)
        made.withLock { copy(own, of: blocks, to: &$0) }
      }
      let result = made.withLock(\.self)
      try work.write(Name("\(name)_blocks"), index * size / 2, result.codes)
      try work.write(Name("\(name)_scales"), index * size / 32, result.exponents)
    }
  }

  /// Some blocks of all outputs.
  private func band(
    _ blocks: Range<Int>, at start: Int, _ exponents: [UInt8], _ work: Requantisation
  ) throws -> Codes {
    let count = 32 * blocks.count * outputs
    var result = Codes(
      codes: [UInt8](repeating: 0, count: count / 2),
      exponents: [UInt8](repeating: 0, count: count / 32))
    try work.measured(start..<start + count) { run in
      for block in 0..<blocks.count {
        let largest = largest(of: run.wanted, from: 32 * block * outputs)
        for output in 0..<outputs {
          let old = exponents[output * (inputs / 32) + blocks.lowerBound + block]
          result.exponents[output * blocks.count + block] =
            largest[output] > 6 * FloatTables.e8m0[Int(old)]
            ? SmallFloat.e8m0(atLeast: largest[output] / 6) : old
        }
        encode(&run, block, of: blocks.count, &result)
      }
    }
    return result
  }

  /// The largest magnitude in a block of each output, whose elements are a row apart.
  private func largest(of values: [Float], from first: Int) -> [Float] {
    var result = [Float](repeating: 0, count: outputs)
    for row in 0..<32 {
      for output in 0..<outputs {
        result[output] = max(result[output], values[first + row * outputs + output].magnitude)
      }
    }
    return result
  }

  /// A block of each output, row by row.
  private func encode(
    _ run: inout Requantisation.Run, _ block: Int, of count: Int, _ band: inout Codes
  ) {
    let (table, gaps) = (FloatTables.e2m1, FloatTables.e2m1Gaps)
    let scales = (0..<outputs).map { FloatTables.e8m0[Int(band.exponents[$0 * count + block])] }
    for row in 0..<32 {
      let first = (32 * block + row) * outputs
      for output in 0..<outputs {
        let (place, scale) = (first + output, scales[output])
        let code = SmallFloat.e2m1(steps(run.wanted[place], of: scale))
        band.codes[16 * (output * count + block) + row / 2] |= row % 2 == 0 ? code : code << 4
        run.result[place] = table[Int(code)] * scale
        run.steps[place] = gaps[Int(code)] * scale
      }
    }
  }

  private func copy(_ band: Codes, of blocks: Range<Int>, to all: inout Codes) {
    for output in 0..<outputs {
      let (from, to) = (output * blocks.count, output * (inputs / 32) + blocks.lowerBound)
      all.codes.replaceSubrange(
        16 * to..<16 * (to + blocks.count), with: band.codes[16 * from..<16 * (from + blocks.count)]
      )
      all.exponents.replaceSubrange(
        to..<to + blocks.count, with: band.exponents[from..<from + blocks.count])
    }
  }
}

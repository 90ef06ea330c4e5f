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
  /// An exponent stays where its block's largest value fits. Experts are made side by side, each in bands of blocks.
  func requantise(_ work: Requantisation) throws {
    let size = inputs * outputs
    try ConcurrentWork.perform(work.parameter.info.shape.count / size) { (index, _) in
      let old = try exponents.contents(index * size / 32..<(index + 1) * size / 32)
      var (codes, exponents) = ([UInt8](repeating: 0, count: size / 2), old)
      for band in 0..<inputs / 32 {
        let start = index * size + band * 32 * outputs
        try work.measured(start..<start + 32 * outputs) { run in
          for output in 0..<outputs {
            let place = output * (inputs / 32) + band
            encode(&run, output, &exponents[place], &codes, at: 16 * place)
          }
        }
      }
      try work.write(Name("\(name)_blocks"), index * size / 2, codes)
      try work.write(Name("\(name)_scales"), index * size / 32, exponents)
    }
  }

  /// One block, whose elements are a row apart.
  private func encode(
    _ run: inout Requantisation.Run, _ output: Int, _ exponent: inout UInt8, _ codes: inout [UInt8],
    at start: Int
  ) {
    var largest: Float = 0
    for row in 0..<32 {
      largest = max(largest, run.wanted[row * outputs + output].magnitude)
    }
    if largest > 6 * FloatTables.e8m0[Int(exponent)] {
      exponent = SmallFloat.e8m0(atLeast: largest / 6)
    }
    let scale = FloatTables.e8m0[Int(exponent)]
    for row in 0..<32 {
      let place = row * outputs + output
      let code = SmallFloat.e2m1(steps(run.wanted[place], of: scale))
      codes[start + row / 2] |= row % 2 == 0 ? code : code << 4
      run.result[place] = FloatTables.e2m1[Int(code)] * scale
      run.steps[place] = FloatTables.e2m1Gaps[Int(code)] * scale.magnitude
    }
  }
}

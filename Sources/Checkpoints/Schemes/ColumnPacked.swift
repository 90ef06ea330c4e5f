internal import Storage
internal import StrictJSON

/// GPTQ and AWQ, whose words are packed across to the rows of the weight: it is read in panels of a few outputs.
///
/// | | codes | value of [o, i] |
/// |---|---|---|
/// | GPTQ | I32 [in · bits / 32, out], dense along the inputs | scales[g, o] · (q − z[g, o]), g of `g_idx`; z is the stored one plus 1 in version 1 |
/// | AWQ | I32 [in, out / 8], nibble j is output 8 · w + (0, 2, 4, 6, 1, 3, 5, 7)[j] | (q − z) · scale, groups of inputs |
struct ColumnPacked: QuantisedElements {
  private let kind: Kind
  private let bits: Int
  private let inputs: Int
  private let outputs: Int
  private let codes: FileRange
  private let zeros: FileRange
  private let scales: StoredNumbers
  /// The group of each input.
  private let groups: [Int]
  private let name: Name
  private let panels: RecentParts<[Float]>

  private enum Kind: Sendable {
    case gptq(zeroOffset: Int)
    case awq
  }

  /// Outputs of a panel: whole words of both kinds.
  private static let panelWidth = 64
  /// Which nibble of an AWQ word an output is.
  private static let places = [0, 4, 1, 5, 2, 6, 3, 7]

  var errorBound: Double { Self.errorBound(bits: bits) }

  var sources: [FileRange] { [codes, zeros, scales.bytes] }

  static func parameter(
    _ name: Name, _ scheme: QuantisationScheme, _ config: QuantisationConfig?,
    _ memory: DecodingMemory, in checkpoint: Checkpoint
  ) throws(CheckpointError) -> QuantisedParameter {
    func fault(_ reason: String) -> CheckpointError { .quantised(name, scheme, reason) }
    let module = name.dropLast("weight".utf8.count)
    func part(_ leaf: String) -> Name { Name("\(module)\(leaf)") }
    let isAWQ = scheme == .awq
    guard let config else { throw fault("bits and group_size are not in quantization_config") }
    let bits = config.integer("bits") ?? config.integer("w_bit") ?? (isAWQ ? 4 : 0)
    guard isAWQ ? bits == 4 : [2, 3, 4, 8].contains(bits) else { throw fault("bits is \(bits)") }
    if isAWQ, let version = config.text("version")?.lowercased(), version != "gemm" {
      throw fault("version \(version) is not read: gemm is")
    }
    guard let stored = checkpoint.tensor(part("qweight")), stored.info.type == .i32,
      stored.info.shape.dimensions.count == 2, stored.info.shape.count > 0,
      let codes = stored.fileRange
    else { throw fault("qweight is missing, or not a matrix of I32") }
    let shape = stored.info.shape.dimensions
    guard isAWQ || (shape[0] * 32).isMultiple(of: bits) else {
      throw fault("qweight has \(shape[0]) rows")
    }
    let (inputs, outputs) = isAWQ ? (shape[0], shape[1] * 8) : (shape[0] * 32 / bits, shape[1])
    guard let scale = checkpoint.tensor(part("scales"))?.info, scale.shape.dimensions.count == 2
    else {
      throw fault("scales is missing")
    }
    let groupCount = scale.shape.dimensions[0]
    let scales = try StoredNumbers(
      part("scales"), [.f16, .bf16, .f32], shape: [groupCount, outputs], of: name, scheme,
      in: checkpoint)
    guard (outputs * bits).isMultiple(of: 32) else { throw fault("qweight has \(outputs) outputs") }
    guard let zeros = checkpoint.tensor(part("qzeros")), zeros.info.type == .i32,
      zeros.info.shape.dimensions == [groupCount, outputs * bits / 32],
      let zeroRange = zeros.fileRange
    else { throw fault("qzeros is missing, or not for \(groupCount) groups") }
    let version = config.text("checkpoint_format") ?? "gptq"
    guard isAWQ || ["gptq", "gptq_v2"].contains(version) else {
      throw fault("checkpoint_format \(version) is not read")
    }
    let groups = try groups(
      name, scheme, part("g_idx"), inputs, groupCount, config.integer("group_size"), in: checkpoint)
    return QuantisedParameter(
      info: try TensorInfo(name, scale.type, [outputs, inputs], of: scheme), scheme: scheme,
      codes: part("qweight"),
      companions: ["qzeros", "scales", "g_idx"].map(part).filter { checkpoint.tensor($0) != nil },
      elements: ColumnPacked(
        kind: isAWQ ? .awq : .gptq(zeroOffset: version == "gptq" ? 1 : 0), bits: bits,
        inputs: inputs, outputs: outputs, codes: codes, zeros: zeroRange, scales: scales,
        groups: groups, name: name, panels: memory.panels))
  }

  private static func groups(
    _ name: Name, _ scheme: QuantisationScheme, _ index: Name, _ inputs: Int, _ count: Int,
    _ size: Int?, in checkpoint: Checkpoint
  ) throws(CheckpointError) -> [Int] {
    if let stored = checkpoint.tensor(index), scheme == .gptq {
      guard stored.info.type == .i32, stored.info.shape.dimensions == [inputs] else {
        throw .quantised(name, scheme, "g_idx has the shape \(stored.info.shape)")
      }
      let bytes = try storing { () throws(StorageError) in try stored.contents() }
      let groups = (0..<inputs).map { Int(PackedBits.integer(at: 4 * $0, of: 4, in: bytes)) }
      guard groups.allSatisfy({ $0 < count }) else {
        throw .quantised(name, scheme, "g_idx names a group that is not there")
      }
      return groups
    }
    let size = size == -1 ? inputs : size ?? 0
    guard size > 0, (inputs + size - 1) / size == count else {
      throw .quantised(
        name, scheme, "group_size \(size) does not make \(count) groups of \(inputs) inputs")
    }
    return (0..<inputs).map { $0 / size }
  }

  func read(
    _ range: Range<Int>, into values: UnsafeMutableBufferPointer<Float>
  ) throws(StorageError) {
    try forEachRow(of: range, columns: inputs) {
      (output, input, part) throws(StorageError) in
      let target = unsafe UnsafeMutableBufferPointer(
        rebasing: values[part.lowerBound - range.lowerBound..<part.upperBound - range.lowerBound])
      guard range.count > DecodingMemory.sampleCount else {
        let wanted = input..<input + part.count
        let first = output / 8 * 8
        let few = try decoded(first..<min(first + 8, outputs), wanted)
        for offset in 0..<wanted.count {
          unsafe target[offset] = few[(output - first) * wanted.count + offset]
        }
        return
      }
      let number = output / Self.panelWidth
      let first = number * Self.panelWidth
      let panel = try panels.part(number, of: name) { () throws(StorageError) in
        try decoded(first..<min(first + Self.panelWidth, outputs), 0..<inputs)
      }
      let start = (output - first) * inputs + input
      unsafe panel.withUnsafeBufferPointer { panel in
        for offset in 0..<part.count { unsafe target[offset] = panel[start + offset] }
      }
    }
  }

  /// The values of some inputs for some outputs, [out, in]. The outputs begin at a multiple of 8.
  private func decoded(
    _ outputs: Range<Int>, _ inputs: Range<Int>
  ) throws(StorageError) -> [Float] {
    var (zeros, scales): ([Float], [Float]) = ([], [])
    let used = (groups[inputs].min() ?? 0)...(groups[inputs].max() ?? 0)
    for group in used {
      let start = group * self.outputs
      scales += try self.scales.values(start + outputs.lowerBound..<start + outputs.upperBound)
      zeros += try self.zeros(group, outputs)
    }
    var result = try codes(outputs, inputs)
    unsafe result.withUnsafeMutableBufferPointer { result in
      unsafe scales.withUnsafeBufferPointer { scales in
        unsafe zeros.withUnsafeBufferPointer { zeros in
          unsafe groups.withUnsafeBufferPointer { groups in
            for output in 0..<outputs.count {
              for input in inputs {
                let index = output * inputs.count + input - inputs.lowerBound
                let group = unsafe (groups[input] - used.lowerBound) * outputs.count + output
                unsafe result[index] = scales[group] * (result[index] - zeros[group])
              }
            }
          }
        }
      }
    }
    return result
  }

  private func zeros(_ group: Int, _ outputs: Range<Int>) throws(StorageError) -> [Float] {
    let words = self.outputs * bits / 32
    let row = try zeros.contents(4 * group * words..<4 * (group + 1) * words)
    return outputs.map { output in
      switch kind {
      case .awq: Float(Self.nibble(of: output, row))
      case .gptq(let offset):
        Float((PackedBits.bits(output * bits, bits, row) + offset) & (1 << bits - 1))
      }
    }
  }

  /// The codes of some inputs for some outputs, [out, in].
  private func codes(
    _ outputs: Range<Int>, _ inputs: Range<Int>
  ) throws(StorageError) -> [Float] {
    switch kind {
    case .awq: try nibbles(outputs, inputs)
    case .gptq: try denseCodes(outputs, inputs)
    }
  }

  private func nibbles(
    _ outputs: Range<Int>, _ inputs: Range<Int>
  ) throws(StorageError) -> [Float] {
    var result = [Float](repeating: 0, count: outputs.count * inputs.count)
    for input in inputs {
      let start = 4 * (input * (self.outputs / 8) + outputs.lowerBound / 8)
      let row = try codes.contents(start..<start + outputs.count / 2)
      for output in 0..<outputs.count {
        result[output * inputs.count + input - inputs.lowerBound] = Float(
          Self.nibble(of: output, row))
      }
    }
    return result
  }

  private func denseCodes(
    _ outputs: Range<Int>, _ inputs: Range<Int>
  ) throws(StorageError) -> [Float] {
    var result = [Float](repeating: 0, count: outputs.count * inputs.count)
    let first = inputs.lowerBound * bits / 32
    let words = try words(outputs, first..<(inputs.upperBound * bits + 31) / 32)
    let (bits, mask) = (bits, UInt64(1) << UInt64(bits) - 1)
    unsafe words.withUnsafeBufferPointer { words in
      unsafe result.withUnsafeMutableBufferPointer { result in
        for output in 0..<outputs.count {
          for input in inputs {
            let place = (input * bits / 32 - first) * outputs.count + output
            // A code may go on in the next word.
            let pair = unsafe UInt64(words[place]) | UInt64(words[place + outputs.count]) << 32
            unsafe result[output * inputs.count + input - inputs.lowerBound] = Float(
              pair >> UInt64(input * bits % 32) & mask)
          }
        }
      }
    }
    return result
  }

  /// Rows of GPTQ's words for some outputs, and a row of zeros.
  private func words(
    _ outputs: Range<Int>, _ rows: Range<Int>
  ) throws(StorageError) -> [UInt32] {
    let width = outputs.count
    var words = [UInt32](repeating: 0, count: (rows.count + 1) * width)
    for row in rows {
      let place = 4 * (row - rows.lowerBound) * width
      try unsafe words.withUnsafeMutableBytesThrowing { memory throws(StorageError) in
        try unsafe codes.read(
          at: UInt64(4 * (row * self.outputs + outputs.lowerBound)),
          into: UnsafeMutableRawBufferPointer(rebasing: memory[place..<place + 4 * width]))
      }
    }
    return words.map { UInt32(littleEndian: $0) }
  }

  private static func nibble(of output: Int, _ row: [UInt8]) -> Int {
    let place = places[output % 8]
    let byte = row[output / 8 * 4 + place / 2]
    return Int(place % 2 == 0 ? byte & 15 : byte >> 4)
  }
}

// MARK: - Other values

extension ColumnPacked {
  var reasonNotToRequantise: String? {
    32 % bits == 0 ? nil : "integers of \(bits) bits, which go across words, are not made again"
  }

  /// Only the codes are new: a calibration chose the scales, the zeros and the order of the groups.
  func requantise(_ work: Requantisation) throws {
    var words = [UInt32](repeating: 0, count: inputs * outputs * bits / 32)
    let largest = Float(1 << bits - 1)
    for first in stride(from: 0, to: outputs, by: Self.panelWidth) {
      let panel = first..<min(first + Self.panelWidth, outputs)
      let (scales, zeros) = try groupNumbers(panel)
      try work.measured(panel.lowerBound * inputs..<panel.upperBound * inputs) { run in
        for output in panel {
          for input in 0..<inputs {
            let place = (output - first) * inputs + input
            let group = groups[input] * panel.count + output - first
            let (scale, zero) = (scales[group], zeros[group])
            let step = steps(run.wanted[place], of: scale).rounded(.toNearestOrEven) + zero
            let code = min(max(step, 0), largest)
            put(UInt32(code), input, output, into: &words)
            run.result[place] = scale * (code - zero)
          }
        }
      }
    }
    let module = name.dropLast("weight".utf8.count)
    try work.write(Name("\(module)qweight"), 0, PackedBits.bytes(words))
  }

  private func put(_ code: UInt32, _ input: Int, _ output: Int, into words: inout [UInt32]) {
    switch kind {
    case .gptq:
      words[input * bits / 32 * outputs + output] |= code << UInt32(input * bits % 32)
    case .awq:
      words[input * (outputs / 8) + output / 8] |= code << UInt32(4 * Self.places[output % 8])
    }
  }

  /// Scales and zeros of all groups for some outputs, [groups, outputs].
  private func groupNumbers(
    _ outputs: Range<Int>
  ) throws(StorageError) -> (scales: [Float], zeros: [Float]) {
    var (scales, zeros): ([Float], [Float]) = ([], [])
    for group in 0..<self.scales.count / self.outputs {
      let start = group * self.outputs
      scales += try self.scales.values(start + outputs.lowerBound..<start + outputs.upperBound)
      zeros += try self.zeros(group, outputs)
    }
    return (scales, zeros)
  }
}

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
  /// How many inputs each group has, where they follow each other.
  private let groupSize: Int?
  private let name: Name
  private let panels: RecentParts<ColumnPanel>

  private enum Kind: Sendable {
    case gptq(zeroOffset: Int)
    case awq

    var isAWQ: Bool { if case .awq = self { true } else { false } }
  }

  /// Outputs of a panel: whole words of both kinds, and a kilobyte of a row of GPTQ.
  private static let panelWidth = 256
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
    guard isAWQ || checkpoint.tensor(part("g_idx")) != nil || config.boolean("desc_act") != true
    else {
      throw fault("desc_act gives the inputs an order, and g_idx is missing")
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
        groups: groups, groupSize: groupSize(groups), name: name, panels: memory.columnPanels))
  }

  private static func groupSize(_ groups: [Int]) -> Int? {
    let size = groups.firstIndex { $0 != 0 } ?? groups.count
    return size > 0 && groups.indices.allSatisfy({ groups[$0] == $0 / size }) ? size : nil
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
    // Only a size that was looked at may be added to.
    guard (1...inputs).contains(size), (inputs + size - 1) / size == count else {
      throw .quantised(
        name, scheme, "group_size \(size) does not make \(count) groups of \(inputs) inputs")
    }
    return (0..<inputs).map { $0 / size }
  }

  func read(
    _ range: Range<Int>, into values: UnsafeMutableBufferPointer<Float>
  ) throws(StorageError) {
    guard let start = values.baseAddress else { return }
    try forEachRow(of: range, columns: inputs) {
      (output, input, part) throws(StorageError) in
      let target = unsafe start + (part.lowerBound - range.lowerBound)
      let wanted = input..<input + part.count
      if range.count <= DecodingMemory.sampleCount {
        let first = output / 8 * 8
        let few = try panel(first..<min(first + 8, outputs), wanted)
        return unsafe decode(output, wanted, of: few, into: target)
      }
      let number = output / Self.panelWidth
      let first = number * Self.panelWidth
      let panel = try panels.part(number, of: name) { () throws(StorageError) in
        try self.panel(first..<min(first + Self.panelWidth, outputs), 0..<inputs)
      }
      unsafe decode(output, wanted, of: panel, into: target)
    }
  }

  /// Codes of runs of one group.
  private func decode(
    _ output: Int, _ wanted: Range<Int>, of panel: ColumnPanel,
    into values: UnsafeMutablePointer<Float>
  ) {
    var input = wanted.lowerBound
    while input < wanted.upperBound {
      let group = groups[input]
      let end = groupSize.map { min(wanted.upperBound, (group + 1) * $0) } ?? input + 1
      unsafe panel.decode(
        output, input..<end, group, into: values + (input - wanted.lowerBound))
      input = end
    }
  }

  /// Some outputs, which begin at a multiple of 8, of some inputs.
  private func panel(
    _ outputs: Range<Int>, _ inputs: Range<Int>
  ) throws(StorageError) -> ColumnPanel {
    let firstWord = inputs.lowerBound * bits / 32
    let rows = firstWord..<(inputs.upperBound * bits + 31) / 32
    let words =
      switch kind {
      case .gptq: try dense(outputs, rows)
      case .awq: try across(outputs, 8 * rows.lowerBound..<min(8 * rows.upperBound, self.inputs))
      }
    let used = (groups[inputs].min() ?? 0)...(groups[inputs].max() ?? 0)
    return try ColumnPanel(
      outputs, firstWord: firstWord, bits: bits, words: words, groups: used
    ) { group throws(StorageError) in try numbers(group, outputs) }
  }

  /// Scales and zeros of a group.
  private func numbers(
    _ group: Int, _ outputs: Range<Int>
  ) throws(StorageError) -> (scales: [Float], zeros: [Float]) {
    let start = group * self.outputs
    let scales = try scales.values(start + outputs.lowerBound..<start + outputs.upperBound)
    let words = self.outputs * bits / 32
    let used = outputs.lowerBound * bits / 32..<(outputs.upperBound * bits + 31) / 32
    let row = try zeros.contents(
      4 * (group * words + used.lowerBound)..<4 * (group * words + used.upperBound))
    let zeros = outputs.map { output in
      switch kind {
      case .awq: Float(Self.nibble(of: output - 8 * used.lowerBound, row))
      case .gptq(let offset):
        Float(
          (PackedBits.bits(output * bits - 32 * used.lowerBound, bits, row) + offset)
            & (1 << bits - 1))
      }
    }
    return (scales, zeros)
  }

  /// Rows of GPTQ's words for some outputs.
  private func dense(
    _ outputs: Range<Int>, _ rows: Range<Int>
  ) throws(StorageError) -> [UInt32] {
    let words = try words(rows, outputs, of: self.outputs, width: outputs.count)
    return ColumnPanel.turned(dense: words, rows: rows.count, outputs: outputs.count)
  }

  /// Inputs of AWQ's words for some outputs.
  private func across(
    _ outputs: Range<Int>, _ inputs: Range<Int>
  ) throws(StorageError) -> [UInt32] {
    let columns = outputs.lowerBound / 8..<outputs.upperBound / 8
    let width = (columns.count + 7) / 8 * 8
    let words = try words(inputs, columns, of: self.outputs / 8, width: width)
    return ColumnPanel.turned(
      across: words, inputs: inputs.count, width: width, outputs: outputs.count,
      places: Self.places)
  }

  /// Some columns of some rows of the stored words, [rows, width].
  private func words(
    _ rows: Range<Int>, _ columns: Range<Int>, of stride: Int, width: Int
  ) throws(StorageError) -> [UInt32] {
    var words = [UInt32](repeating: 0, count: rows.count * width)
    for row in rows {
      let place = 4 * (row - rows.lowerBound) * width
      try unsafe words.withUnsafeMutableBytesThrowing { memory throws(StorageError) in
        try unsafe codes.read(
          at: UInt64(4 * (row * stride + columns.lowerBound)),
          into: UnsafeMutableRawBufferPointer(
            rebasing: memory[place..<place + 4 * columns.count]))
      }
    }
    for place in words.indices { words[place] = UInt32(littleEndian: words[place]) }
    return words
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

  var made: [Name] { [Name("\(name.dropLast("weight".utf8.count))qweight")] }

  /// Only the codes are new: a calibration chose the scales, the zeros and the order of the groups.
  ///
  /// Words are stored across to the values, so those of a band of outputs are put together in memory.
  func requantise(_ work: Requantisation) throws {
    // As many outputs as have some MB of values, and of words; whole words of either scheme.
    let strip = min(64, max(8, (1 << 19) / inputs / 8 * 8))
    let band = max(strip, (1 << 21) / rowCount * outputsOfWord / strip * strip)
    for first in stride(from: 0, to: outputs, by: band) {
      try requantise(first..<min(first + band, outputs), strips: strip, work)
    }
  }

  private func requantise(_ band: Range<Int>, strips size: Int, _ work: Requantisation) throws {
    let width = band.count / outputsOfWord
    let words = Guarded([UInt32](repeating: 0, count: rowCount * width))
    try ConcurrentWork.perform((band.count + size - 1) / size) { (index, _) in
      let first = band.lowerBound + index * size
      let strip = first..<min(first + size, band.upperBound)
      let (own, count) = (try requantised(strip, work), strip.count / outputsOfWord)
      words.withLock { words in
        for row in 0..<rowCount {
          let place = row * width + (first - band.lowerBound) / outputsOfWord
          words.replaceSubrange(place..<place + count, with: own[row * count..<(row + 1) * count])
        }
      }
    }
    let result = words.withLock(\.self)
    for row in 0..<rowCount {
      let place = (row * outputs + band.lowerBound) / outputsOfWord
      try work.write(made[0], 4 * place, PackedBits.bytes(result[row * width..<(row + 1) * width]))
    }
  }

  /// Rows of the stored words, and how many outputs a word has codes of.
  private var rowCount: Int { kind.isAWQ ? inputs : inputs * bits / 32 }
  private var outputsOfWord: Int { kind.isAWQ ? 8 : 1 }

  /// The words of some outputs, [rows, outputs / outputs of a word].
  private func requantised(_ strip: Range<Int>, _ work: Requantisation) throws -> [UInt32] {
    let width = strip.count / outputsOfWord
    var words = [UInt32](repeating: 0, count: rowCount * width)
    let largest = Float(1 << bits - 1)
    let numbers = try (0..<self.scales.count / outputs).map { try self.numbers($0, strip) }
    let (scales, zeros) = (numbers.flatMap(\.scales), numbers.flatMap(\.zeros))
    try work.measured(strip.lowerBound * inputs..<strip.upperBound * inputs) { run in
      for output in 0..<strip.count {
        for input in 0..<inputs {
          let number = groups[input] * strip.count + output
          let (scale, zero) = (scales[number], zeros[number])
          let place = output * inputs + input
          let step = wholeSteps(run.wanted[place], of: scale) + zero
          let code = min(max(step, 0), largest)
          run.result[place] = scale * (code - zero)
          run.steps[place] = scale.magnitude
          let bit = kind.isAWQ ? 4 * Self.places[output % 8] : input * bits % 32
          let row = kind.isAWQ ? input : input * bits / 32
          words[row * width + output / outputsOfWord] |= UInt32(byte(code)) << UInt32(bit)
        }
      }
    }
    return words
  }
}

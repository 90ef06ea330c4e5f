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
  private static let order = [0, 2, 4, 6, 1, 3, 5, 7]

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
      let number = output / Self.panelWidth
      let panel = try panels.part(number, of: name) { () throws(StorageError) in try decoded(number)
      }
      let start = (output - number * Self.panelWidth) * inputs + input
      for offset in 0..<part.count {
        unsafe values[part.lowerBound - range.lowerBound + offset] = panel[start + offset]
      }
    }
  }

  /// The values of some outputs, [out, in].
  private func decoded(_ number: Int) throws(StorageError) -> [Float] {
    let first = number * Self.panelWidth
    let width = min(Self.panelWidth, outputs - first)
    let groupCount = (groups.max() ?? 0) + 1
    var (zeros, scales): ([[Float]], [[Float]]) = ([], [])
    for group in 0..<groupCount {
      let start = group * outputs + first
      scales.append(try self.scales.values(start..<start + width))
      zeros.append(try self.zeros(group, first, width))
    }
    let columns = try columns(first, width)
    var result = [Float](repeating: 0, count: width * inputs)
    for output in 0..<width {
      for input in 0..<inputs {
        let group = groups[input]
        result[output * inputs + input] =
          scales[group][output] * (columns[output * inputs + input] - zeros[group][output])
      }
    }
    return result
  }

  private func zeros(_ group: Int, _ first: Int, _ width: Int) throws(StorageError) -> [Float] {
    let words = outputs * bits / 32
    let row = try self.zeros.contents(4 * group * words..<4 * (group + 1) * words)
    return (first..<first + width).map { output in
      switch kind {
      case .awq: Float(Self.nibble(of: output, row))
      case .gptq(let offset):
        Float((PackedBits.bits(output * bits, bits, row) + offset) & (1 << bits - 1))
      }
    }
  }

  /// The codes of some outputs, [out, in].
  private func columns(_ first: Int, _ width: Int) throws(StorageError) -> [Float] {
    var result = [Float](repeating: 0, count: width * inputs)
    switch kind {
    case .awq:
      let words = outputs / 8
      for input in 0..<inputs {
        let start = 4 * (input * words + first / 8)
        let row = try codes.contents(start..<start + 4 * ((width + 7) / 8))
        for output in 0..<width {
          result[output * inputs + input] = Float(Self.nibble(of: output, row))
        }
      }
    case .gptq:
      var words: [[UInt8]] = Array(repeating: [], count: width)
      for row in 0..<inputs * bits / 32 {
        let start = 4 * (row * outputs + first)
        let bytes = try codes.contents(start..<start + 4 * width)
        for output in 0..<width { words[output] += bytes[4 * output..<4 * output + 4] }
      }
      for output in 0..<width {
        for input in 0..<inputs {
          result[output * inputs + input] = Float(
            PackedBits.bits(input * bits, bits, words[output]))
        }
      }
    }
    return result
  }

  private static func nibble(of output: Int, _ row: [UInt8]) -> Int {
    let place = 8 * (output / 8) + (order.firstIndex(of: output % 8) ?? 0)
    return PackedBits.bits(4 * place, 4, row)
  }
}

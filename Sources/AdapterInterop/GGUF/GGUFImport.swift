internal import AdapterFormat
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// A GGUF adapter as operations.
///
/// | the file | here |
/// |---|---|
/// | `T.lora_a` [r, in], `T.lora_b` [out, r] | `add_low_rank` on the base's weight; the rows of B as transformers has them |
/// | `token_embd.weight.lora_a` [vocabulary, r] | transposed, on the embedding |
/// | `adapter.lora.alpha` | `scale` alpha / r; 1 for alpha 0 |
/// | `blk.N.ffn_P_exps.weight.lora_a` [E, r, in], `lora_b` [E, out, r] | `add_low_rank` on the stack, or on each expert |
/// | `*_norm.weight` | inert: llama.cpp leaves it alone |
struct GGUFImport {
  private let reader: GGUFReader
  private let path: FilePath
  /// Nil where it is only looked at, under llama.cpp's names.
  private let model: GGUFModel?
  private let alpha: Double
  private var operations: [Operation] = []
  private var tensors: [TensorContents] = []
  private var inert: [AdapterRecord.InertTensor] = []
  private let digest: Digest?

  /// - Throws: `InteropError` where it is not a LoRA for this base, or anything of it is not understood.
  init(_ reader: GGUFReader, _ path: FilePath, _ choices: ImportChoices) throws {
    (self.reader, self.path) = (reader, path)
    try Self.checkKind(reader, path)
    model = try Self.model(of: reader, path, choices)
    alpha = try Self.alpha(reader, path)
    digest = choices.recordsDigest ? try reader.file.digest() : nil
    try readTensors()
  }

  private static func model(
    of reader: GGUFReader, _ path: FilePath, _ choices: ImportChoices
  ) throws -> GGUFModel? {
    guard let base = choices.base else {
      guard choices.keepsForeignNames else {
        throw InteropError(
          .undecided(.base), at: .file(path),
          "its rows and names are llama.cpp's, and only the base shows what they are")
      }
      return nil
    }
    let model = try GGUFModel(base)
    guard case .string(model.architecture.name) = reader.metadata["general.architecture"] else {
      throw InteropError(
        .malformed, at: .file(path),
        "it is for the architecture \(reader.metadata["general.architecture"]?.text ?? "unknown"), "
          + "and the base is \(model.architecture.name)")
    }
    return model
  }

  private static func checkKind(_ reader: GGUFReader, _ path: FilePath) throws(InteropError) {
    let kind = reader.metadata["general.type"]?.text
    guard kind == "adapter" else {
      throw InteropError(
        .notAnAdapter, at: .file(path),
        reader.metadata["general.architecture"] == .string("controlvector")
          ? "a control vector adds to hidden states: it is not a change of weights"
          : "a GGUF \(kind ?? "model"), not an adapter")
    }
    guard reader.metadata["adapter.type"] == .string("lora") else {
      throw InteropError(
        .unsupported, at: .file(path),
        "adapter.type \(reader.metadata["adapter.type"]?.text ?? "missing"), not lora")
    }
    guard reader.metadata["adapter.alora.invocation_tokens"] == nil else {
      throw InteropError(
        .unsupported, at: .file(path), "an aLoRA, which acts after invocation tokens only")
    }
  }

  private static func alpha(_ reader: GGUFReader, _ path: FilePath) throws(InteropError) -> Double {
    switch reader.metadata["adapter.lora.alpha"] {
    case nil: return 0
    case .float32(let alpha) where alpha.isFinite: return Double(alpha)
    default:
      throw InteropError(
        .malformed, at: .file(path), "adapter.lora.alpha is not a finite F32 number")
    }
  }

  func result() throws -> ForeignImport {
    let norms = inert.map(\.tensor.text)
    return try ForeignImport(
      Adapter(
        name: "default", method: "lora", operations: operations, inert: inert,
        source: SourceRecord(format: GGUFFormat.name, config: nil, digest: digest, header: nil),
        files: [], base: base, tensors: tensors),
      notes: [
        model == nil ? "its names and rows are llama.cpp's: the model's need --base" : nil,
        norms.isEmpty
          ? nil : "llama.cpp leaves norms of an adapter alone: " + norms.joined(separator: ", "),
      ].compactMap(\.self))
  }

  private var base: BaseRecord? {
    let name = reader.metadata["general.base_model.0.name"]?.text
    return name.map { BaseRecord(name: $0, revision: nil, architecture: nil, fingerprint: nil) }
  }
}

// MARK: - Experts

extension GGUFImport {
  /// One change of the whole parameter, or one for each expert where that cannot be.
  private mutating func add(_ stack: GGUFExpertStack) throws {
    guard let factors = try stack.factors({ try contents(of: $0, shape: $0.shape) }) else {
      for part in stack.parts { try add(part.module, part.pair) }
      return
    }
    tensors += [factors.a, factors.b]
    var low = AddLowRank(
      target: Target(stack.parameter, layout: .outIn, layoutSource: .sure),
      a: TypedOperand(factors.a.info), b: TypedOperand(factors.b.info),
      scale: scale(ofRank: stack.parts[0].pair.rank))
    low.experts = factors.experts
    operations.append(try Operation(low))
  }

  /// Expert by expert, under the names of the base.
  private mutating func add(_ module: ExpertModule, _ pair: GGUFStackedPair) throws {
    let (rank, output) = (pair.rank, pair.outputCount)
    let down = try contents(of: pair.a, shape: [pair.count * rank, pair.inputCount])
    let up = try contents(of: pair.b, shape: [pair.count * output, rank])
    tensors += [down, up]
    for expert in 0..<pair.count {
      operations.append(
        try Operation(
          AddLowRank(
            target: Target(module.weight(of: expert), layout: .outIn, layoutSource: .sure),
            a: TypedOperand(down.info).rows(expert * rank..<(expert + 1) * rank),
            b: TypedOperand(up.info).rows(expert * output..<(expert + 1) * output),
            scale: scale(ofRank: rank))))
    }
  }
}

// MARK: - Tensors

extension GGUFImport {
  private mutating func readTensors() throws {
    var pairs: [String: (a: GGUFTensor?, b: GGUFTensor?)] = [:]
    var order: [String] = []
    var experts = GGUFExpertBlocks()
    for tensor in reader.tensors {
      let text = tensor.name.text
      let isA = text.hasSuffix(".weight.lora_a")
      if isA || text.hasSuffix(".weight.lora_b") {
        let stem = String(text.dropLast(".weight.lora_a".count))
        if pairs[stem] == nil { order.append(stem) }
        if isA {
          pairs[stem, default: (nil, nil)].a = tensor
        } else {
          pairs[stem, default: (nil, nil)].b = tensor
        }
      } else if text.hasSuffix("_norm.weight"), tensor.shape.count == 1 {
        inert.append(.init(tensor: tensor.name, reason: "llama.cpp ignores it"))
        tensors.append(try contents(of: tensor, shape: tensor.shape))
      } else {
        throw InteropError(.unknown, at: .tensor(tensor.name), "not a factor of a weight")
      }
    }
    for stem in order {
      guard let a = pairs[stem]?.a, let b = pairs[stem]?.b else {
        throw InteropError(
          .malformed, at: .tensor(Name(stem)), "half a pair: lora_a or lora_b is missing")
      }
      if let module = model?.experts(of: stem) {
        try experts.add(GGUFStackedPair(a, b), of: module)
      } else if model == nil, a.shape.count == 3 {
        try add(GGUFExpertStack(GGUFStackedPair(a, b), at: stem))
      } else {
        try add(stem, a, b)
      }
    }
    for stack in experts.blocks.flatMap(\.stacks) { try add(stack) }
    guard !operations.isEmpty else {
      throw InteropError(.malformed, at: .file(path), "it holds no pair of factors")
    }
  }

  private mutating func add(_ stem: String, _ a: GGUFTensor, _ b: GGUFTensor) throws {
    guard let target = model.map({ $0.target(of: stem) }) ?? Name("\(stem).weight") else {
      throw InteropError(.unsupported, at: .tensor(a.name), "the base has no weight for it")
    }
    let isEmbedding = stem == "token_embd"
    guard a.shape.count == 2, b.shape.count == 2,
      a.shape[isEmbedding ? 1 : 0] == b.shape[1], b.shape[1] > 0
    else {
      throw InteropError(
        .malformed, at: .tensor(a.name),
        "\(a.shape) and \(b.shape) of B are not [r, in] and [out, r]")
    }
    let rank = b.shape[1]
    let input = isEmbedding ? a.shape[0] : a.shape[1]
    let isTransposed = isEmbedding || model?.architecture.name == "gpt2"
    let layout: Layout = isTransposed && stem != "output" ? .inOut : .outIn
    try check(target, output: b.shape[0], input: input, layout)
    let down = try contents(of: a, shape: [rank, input], transposing: isEmbedding)
    let up = try contents(
      of: b, shape: b.shape, order: try rowOrder(stem, b))
    tensors += [down, up]
    operations.append(
      try Operation(
        AddLowRank(
          target: Target(target, layout: layout, layoutSource: .sure), a: TypedOperand(down.info),
          b: TypedOperand(up.info), scale: scale(ofRank: rank))))
  }

  private func scale(ofRank rank: Int) -> Double { alpha == 0 ? 1 : alpha / Double(rank) }

  private func rowOrder(_ stem: String, _ b: GGUFTensor) throws(InteropError) -> [Int]? {
    do throws(InteropError) {
      return try model?.rowOrder(of: stem, count: b.shape[0])?.inverted
    } catch {
      throw InteropError(error.kind, at: .tensor(b.name), error.reason)
    }
  }

  private func check(
    _ target: Name, output: Int, input: Int, _ layout: Layout
  ) throws(InteropError) {
    let expected = layout == .outIn ? [output, input] : [input, output]
    guard let stored = model?.checkpoint.tensor(target)?.info.shape.dimensions, stored != expected
    else { return }
    throw InteropError(
      .malformed, at: .tensor(target), "the base has \(stored), and the adapter is for \(expected)")
  }

  /// A tensor's bytes: where they are in the file, or in memory where they are in another order or widened.
  private func contents(
    of tensor: GGUFTensor, shape: [Int], transposing: Bool = false, order: [Int]? = nil
  ) throws -> TensorContents {
    guard let shape = Shape(shape.map(UInt64.init)) else {
      throw InteropError(.malformed, at: .tensor(tensor.name), "it is too large")
    }
    let info = TensorInfo(name: tensor.name, type: tensor.type.elementType, shape: shape)
    guard tensor.type == .q8 || transposing || order != nil else {
      return TensorContents(info, bytes: reader.file, offset: tensor.offset)
    }
    var bytes = try reader.file.bytes(at: tensor.offset, count: tensor.byteCount)
    if tensor.type == .q8 { bytes = Q8Block.widened(bytes) }
    if transposing {
      bytes = transposed(
        bytes, rows: tensor.shape[0], columns: tensor.shape[1], width: info.type.bitWidth / 8)
    }
    if let order { bytes = rows(bytes, in: order) }
    return TensorContents(info, bytes: MemoryBytes(bytes), offset: 0)
  }
}

/// Q8_0: of each 32 values one F16, d, and 32 signed bytes, q; a value is d · q, which F32 holds exactly.
enum Q8Block {
  static func widened(_ bytes: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count / 34 * 128)
    for block in stride(from: 0, to: bytes.count - 33, by: 34) {
      let bits = UInt16(bytes[block]) | UInt16(bytes[block + 1]) << 8
      let scale = widenedHalf(bits)
      for place in 0..<32 {
        let value = (scale * Float(Int8(bitPattern: bytes[block + 2 + place]))).bitPattern
        for shift in stride(from: 0, to: 32, by: 8) {
          result.append(UInt8(truncatingIfNeeded: value >> UInt32(shift)))
        }
      }
    }
    return result
  }

  /// An F16's value; the exponent's bias is corrected by a product, which is exact.
  private static func widenedHalf(_ bits: UInt16) -> Float {
    guard bits & 0x7C00 != 0x7C00 else { return bits & 0x3FF == 0 ? .infinity : .nan }
    let magnitude = Float(bitPattern: UInt32(bits & 0x7FFF) << 13) * 0x1p112
    return bits & 0x8000 == 0 ? magnitude : -magnitude
  }
}

extension GGUFValue {
  /// A text; nil of anything else.
  var text: String? {
    if case .string(let text) = self { text } else { nil }
  }
}

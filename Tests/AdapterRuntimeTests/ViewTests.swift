import AdapterFormat
import AdapterRuntime
import Operations
import Checkpoints
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// A checkpoint of F32 tensors that hold small numbers, and a LoRA of rank 1 on one of them.
private struct Case {
  let folder: TemporaryFolder
  private var tensors: [TensorInfo] = []

  init() throws {
    folder = try TemporaryFolder()
  }

  mutating func add(_ name: Name, _ shape: [UInt64]) throws {
    let shape = try #require(Shape(shape))
    tensors.append(TensorInfo(name: name, type: .f32, shape: shape))
  }

  func checkpoint(config: String? = nil) throws -> Checkpoint {
    let header = SafetensorsHeader(canonical: tensors, metadata: nil)
    let count = Int(header.dataByteCount) / 4
    let data = (0..<count).flatMap { index -> [UInt8] in
      let bits = Float(index % 97).bitPattern
      return (0..<4).map { UInt8(truncatingIfNeeded: bits >> (8 * $0)) }
    }
    try folder.write(header.encoded + data, to: "model.safetensors")
    if let config { try folder.write(Array(config.utf8), to: "config.json") }
    return try Checkpoint(folder.path)
  }

  func adapter(
    _ target: Name, out: Int, in input: Int, layout: Layout, source: LayoutSource?
  ) throws -> Adapter {
    let (aShape, bShape) = (
      try #require(Shape([1, UInt64(input)])), try #require(Shape([UInt64(out), 1]))
    )
    let a = TensorInfo(name: "a", type: .f32, shape: aShape)
    let b = TensorInfo(name: "b", type: .f32, shape: bShape)
    let one: [UInt8] = [0, 0, 0x80, 0x3F]
    let values = { (info: TensorInfo) in
      TensorContents(
        info, bytes: MemoryBytes(Array(repeating: one, count: info.shape.count).flatMap { $0 }),
        offset: 0)
    }
    let operation = AddLowRank(
      target: Target(target, layout: layout, layoutSource: source), a: TypedOperand(a),
      b: TypedOperand(b), scale: 1)
    return Adapter(
      name: "default", method: "lora", operations: [try Operation(operation)], inert: [],
      source: nil, files: [], base: nil, tensors: [values(a), values(b)])
  }
}

private func layout(_ adapter: BoundAdapter) -> (Layout, LayoutSource?)? {
  guard let low = adapter.adapter.operations.first?.as(AddLowRank.self) else { return nil }
  return (low.target.layout ?? .unresolved, low.target.layoutSource)
}

@Suite struct SquareLayoutTests {
  private let fixture: Case
  private let plain: Checkpoint

  init() throws {
    var fixture = try Case()
    try fixture.add("m.0.c_attn.weight", [4, 4])
    self.fixture = fixture
    plain = try fixture.checkpoint()
  }

  private func bind(
    _ layout: Layout, _ source: LayoutSource?, to checkpoint: Checkpoint, user: Layout? = nil
  ) throws -> BoundAdapter {
    try BoundAdapter(
      fixture.adapter("m.0.c_attn.weight", out: 4, in: 4, layout: layout, source: source),
      to: checkpoint, choices: BindingChoices(layout: user))
  }

  /// Beside c_attn lies k, [4, 8] with a bias of 8: such a module stores [in, out].
  private func transposed() throws -> Checkpoint {
    var other = try Case()
    try other.add("m.0.c_attn.weight", [4, 4])
    try other.add("m.0.k.weight", [4, 8])
    try other.add("m.0.k.bias", [8])
    return try other.checkpoint()
  }

  @Test(arguments: [nil] + LayoutSource.allCases)
  func unresolvedIsNeverTakenForALayout(_ source: LayoutSource?) throws {
    let error = #expect(throws: AdapterError.self) {
      try bind(.unresolved, source, to: plain)
    }
    #expect(error?.kind == .undecidedLayout)
  }

  @Test func theBaseBeatsAGuess() throws {
    for source in [LayoutSource.guessed, nil] {
      let bound = try bind(.outIn, source, to: transposed())
      #expect(try #require(layout(bound)) == (.inOut, .sure))
      #expect(!bound.notes.isEmpty)
    }
  }

  @Test func theBaseDoesNotOverruleWhatIsSure() throws {
    let error = #expect(throws: AdapterError.self) { try bind(.outIn, .sure, to: transposed()) }
    #expect(error?.kind == .layoutConflict)
  }

  @Test func theUserDoesNotContradict() throws {
    #expect(throws: AdapterError.self) {
      try bind(.unresolved, nil, to: transposed(), user: .outIn)
    }
    #expect(throws: AdapterError.self) { try bind(.outIn, .guessed, to: plain, user: .inOut) }
    #expect(
      try #require(layout(bind(.unresolved, nil, to: plain, user: .inOut))) == (.inOut, .sure))
  }

  @Test func onlyAListedModelTypeDecides() throws {
    let gpt2 = try fixture.checkpoint(config: #"{"model_type":"gpt2"}"#)
    #expect(try #require(layout(bind(.unresolved, nil, to: gpt2))) == (.inOut, .sure))
    let own = try fixture.checkpoint(config: #"{"model_type":"my_own"}"#)
    #expect(throws: AdapterError.self) { try bind(.unresolved, nil, to: own) }
    #expect(try #require(layout(bind(.unresolved, nil, to: own, user: .outIn))) == (.outIn, .sure))
  }
}

@Suite struct TieTests {
  private func refuses(
    _ target: Name, stored: [Name], config: String?
  ) throws -> Bool {
    var fixture = try Case()
    for name in stored { try fixture.add(name, [8, 4]) }
    let checkpoint = try fixture.checkpoint(config: config)
    let adapter = try fixture.adapter(target, out: 8, in: 4, layout: .outIn, source: .guessed)
    do {
      _ = try AdaptedCheckpoint(checkpoint, applying: adapter)
      return false
    } catch let error as AdapterError where error.kind == .tied {
      return true
    }
  }

  @Test func aHeadThatIsTheEmbeddingIsRefused() throws {
    let embed: Name = "model.embed_tokens.weight"
    #expect(try refuses("lm_head.weight", stored: [embed], config: nil))
    #expect(
      try refuses(
        "lm_head.weight", stored: [embed, "lm_head.weight"],
        config: #"{"tie_word_embeddings":true}"#))
    #expect(
      try refuses(
        "lm_head.weight", stored: ["transformer.wte.weight", "lm_head.weight"],
        config: #"{"model_type":"gpt2"}"#))
  }

  @Test func aHeadOfItsOwnIsMerged() throws {
    let embed: Name = "model.embed_tokens.weight"
    #expect(
      try !refuses(
        "lm_head.weight", stored: [embed, "lm_head.weight"],
        config: #"{"tie_word_embeddings":false}"#))
    #expect(try !refuses("lm_head.weight", stored: [embed, "lm_head.weight"], config: nil))
    // Two models share the name of the embedding; one of their heads is stored.
    let decoder: Name = "model.decoder.embed_tokens.weight"
    #expect(try !refuses("proj_out.weight", stored: [decoder, "proj_out.weight"], config: nil))
  }
}

@Suite struct ManyTensorsTests {
  /// Beyond 4,096 tensors the targets and 1,024 others are sampled; there may be fewer others.
  @Test(arguments: [(4200, 4200), (4200, 4000), (6000, 10)])
  func aFingerprintOfManyTensorsIsWhole(_ count: Int, _ targets: Int) throws {
    var fixture = try Case()
    let names = (0..<count).map { Name("t\($0).weight") }
    for name in names { try fixture.add(name, [1]) }
    let fingerprint = try FingerprintRecord(
      of: fixture.checkpoint(), targets: Array(names.prefix(targets)), adapterOf: 1 << 22)
    let sampled = fingerprint.tensors.map(\.name)
    #expect(Set(sampled).count == sampled.count)
    #expect(Set(sampled).isSuperset(of: names.prefix(targets)))
    #expect(sampled.count == targets + min(1024, count - targets))
  }

  /// Samples take a tenth of the adapter, with all targets, and never fewer than 8 tensors where the base has so many.
  @Test(arguments: [(48_000, 1, 27), (4_800, 20, 22), (0, 0, 8), (0, 40, 40), (1 << 20, 5, 200)])
  func aSmallAdapterHasASmallFingerprint(_ bytes: Int, _ targets: Int, _ expected: Int) throws {
    var fixture = try Case()
    let names = (0..<200).map { Name("t\($0).weight") }
    for name in names { try fixture.add(name, [1]) }
    let fingerprint = try FingerprintRecord(
      of: fixture.checkpoint(), targets: Array(names.prefix(targets)), adapterOf: bytes)
    #expect(Set(fingerprint.tensors.map(\.name)).isSuperset(of: names.prefix(targets)))
    #expect(fingerprint.tensors.count == expected)
    #expect(fingerprint.sketch.count == min(256, expected))
  }
}

@Suite struct TileTests {
  /// Tensors of several tiles, on all threads, in both layouts, against sums in double.
  @Test(arguments: [ElementType.f32, .f64, .bf16, .f16], [Layout.outIn, .inOut])
  func everyRowOfALargeTensorIsRight(_ type: ElementType, _ layout: Layout) throws {
    let (out, input, rank) = (1501, 1203, 5)
    var generator = SeededGenerator(seed: 0x711E)
    let a = (0..<rank * input).map { _ in Float.random(in: -1...1, using: &generator) }
    let b = (0..<out * rank).map { _ in Float.random(in: -1...1, using: &generator) }
    let folder = try TemporaryFolder()
    let (rows, columns) = layout == .outIn ? (out, input) : (input, out)
    let weights = (0..<rows * columns).map { _ in Float.random(in: -1...1, using: &generator) }
    let info = TensorInfo(
      name: "m.weight", type: type, shape: try #require(Shape([UInt64(rows), UInt64(columns)])))
    let stored = encode(weights, type)
    let header = SafetensorsHeader(canonical: [info], metadata: nil)
    let base = try Checkpoint(
      folder.write(header.encoded + stored, to: "base.safetensors"))
    let view = try AdaptedCheckpoint(base, applying: adapter(a, b, rank, layout))
    let path = folder.appending("out.safetensors")
    _ = try Merge(view).write(to: path, replacing: false)
    let merged = try Checkpoint(path).values("m.weight")
    let original = doubles(stored, type)
    // Half a step of the stored type at values below 4, and what the sums lose.
    let step =
      switch type {
      case .bf16: 0x1p-6
      case .f16: 0x1p-9
      case .f32: 0x1p-20
      default: 0x1p-44
      }
    for row in stride(from: 0, to: rows, by: 7) {
      for column in stride(from: row % 11, to: columns, by: 11) {
        let (o, i) = layout == .outIn ? (row, column) : (column, row)
        let change = (0..<rank).reduce(0.0) {
          $0 + Double(b[o * rank + $1]) * Double(a[$1 * input + i])
        }
        let index = row * columns + column
        #expect(abs(merged[index] - (original[index] + 0.5 * change)) <= step)
      }
    }
  }

  private func encode(_ values: [Float], _ type: ElementType) -> [UInt8] {
    values.flatMap { value -> [UInt8] in
      let bits: UInt64 =
        switch type {
        case .bf16: UInt64(value.bitPattern >> 16)
        case .f16: UInt64(HalfFloat.bits(Double(value)))
        case .f32: UInt64(value.bitPattern)
        default: Double(value).bitPattern
        }
      return (0..<type.bitWidth / 8).map { UInt8(truncatingIfNeeded: bits >> (8 * UInt64($0))) }
    }
  }

  private func adapter(
    _ a: [Float], _ b: [Float], _ rank: Int, _ layout: Layout
  ) throws -> Adapter {
    let shapes = (
      try #require(Shape([UInt64(rank), UInt64(a.count / rank)])),
      try #require(Shape([UInt64(b.count / rank), UInt64(rank)]))
    )
    let (aInfo, bInfo) = (
      TensorInfo(name: "a", type: .f32, shape: shapes.0),
      TensorInfo(name: "b", type: .f32, shape: shapes.1)
    )
    let operation = AddLowRank(
      target: Target("m.weight", layout: layout, layoutSource: .sure), a: TypedOperand(aInfo),
      b: TypedOperand(bInfo), scale: 0.5)
    return Adapter(
      name: "default", method: "lora", operations: [try Operation(operation)], inert: [],
      source: nil, files: [], base: nil,
      tensors: [
        TensorContents(aInfo, bytes: MemoryBytes(encode(a, .f32)), offset: 0),
        TensorContents(bInfo, bytes: MemoryBytes(encode(b, .f32)), offset: 0),
      ])
  }
}

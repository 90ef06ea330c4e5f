import AdapterRuntime
import Checkpoints
import Operations
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// Versions of transformers save one model differently: buffers, tied copies, prefixes, and older names of layers.
@Suite struct TunedPairTests {
  private let folders: (base: TemporaryFolder, tuned: TemporaryFolder)
  private static let bert = #"{"model_type":"bert","architectures":["BertForMaskedLM"]}"#

  init() throws { folders = (try TemporaryFolder(), try TemporaryFolder()) }

  private func checkpoint(
    _ folder: TemporaryFolder, _ shapes: [(Name, [Int])], shift: Float, config: String = bert
  ) throws -> Checkpoint {
    var made = HandMadeCheckpoint()
    for (name, shape) in shapes {
      let isBias = name.hasSuffix(".bias") || name.hasSuffix(".beta")
      let values = (0..<shape.reduce(1, *)).map {
        Float($0) + (isBias && shape.count == 1 ? shift : 0)
      }
      made.add(name, shape, values)
    }
    return try made.write(to: folder, config: config)
  }

  private static let layer: [(Name, [Int])] = [
    ("encoder.layer.0.attention.self.query.weight", [2, 2]),
    ("encoder.layer.0.attention.self.query.bias", [2]),
    ("embeddings.word_embeddings.weight", [3, 2]),
  ]

  private static func named(_ prefix: String, _ more: [(Name, [Int])] = []) -> [(Name, [Int])] {
    layer.map { (Name("\(prefix)\($0.0)"), $0.1) } + more
  }

  /// The biases that a merge into the base changes.
  private func changed(
    _ base: [(Name, [Int])], _ tuned: [(Name, [Int])], config: String = bert
  ) throws -> [Name] {
    let base = try checkpoint(folders.base, base, shift: 0, config: config)
    let tuned = try checkpoint(folders.tuned, tuned, shift: 0.5, config: config)
    let extraction = try BiasExtraction(from: base, to: tuned)
    let view = try AdaptedCheckpoint(base, applying: extraction.adapter)
    for (name, _) in extraction.forms {
      let bytes = try #require(try view.contents(of: name))
      #expect(doubles(bytes, .f32).allSatisfy { $0.truncatingRemainder(dividingBy: 1) == 0.5 })
    }
    return view.changedNames
  }

  @Test func buffersSayNothing() throws {
    let bias: Name = "bert.encoder.layer.0.attention.self.query.bias"
    let old = Self.named("bert.", [("bert.embeddings.position_ids", [1, 4])])
    #expect(try changed(old, Self.named("bert.")) == [bias])
    #expect(try changed(Self.named("bert."), old) == [bias])
    let masks: [(Name, [Int])] = [
      ("h.0.attn.bias", [1, 1, 2, 2]), ("h.0.attn.masked_bias", []), ("h.0.rotary.inv_freq", [2]),
    ]
    let plain: [(Name, [Int])] = [
      ("h.0.attn.c_attn.bias", [2]), ("h.0.attn.c_attn.weight", [2, 2]),
    ]
    #expect(try changed(plain + masks, plain, config: "{}") == ["h.0.attn.c_attn.bias"])
    #expect(try changed(plain, plain + masks, config: "{}") == ["h.0.attn.c_attn.bias"])
  }

  @Test func prefixesAreFound() throws {
    let bare: Name = "encoder.layer.0.attention.self.query.bias"
    #expect(try changed(Self.named(""), Self.named("bert.")) == [bare])
    #expect(try changed(Self.named("bert."), Self.named("")) == [Name("bert.\(bare)")])
  }

  /// Files of before call the parameters of a layer norm otherwise.
  @Test func olderNamesAreFound() throws {
    func norm(_ weight: Name, _ bias: Name) -> [(Name, [Int])] {
      let layer: Name = "bert.encoder.layer.0.output.LayerNorm"
      return [(Name("\(layer).\(weight)"), [2]), (Name("\(layer).\(bias)"), [2])]
    }
    #expect(
      try changed(
        Self.named("bert.", norm("gamma", "beta")), Self.named("bert.", norm("weight", "bias")))
        == [
          "bert.encoder.layer.0.attention.self.query.bias",
          "bert.encoder.layer.0.output.LayerNorm.beta",
        ])
  }

  /// A bias that is stored once for two parameters changes for both.
  @Test func tiedBiasesChangeTogether() throws {
    let one: [(Name, [Int])] = [("cls.predictions.bias", [3])]
    let both: [(Name, [Int])] = one + [("cls.predictions.decoder.bias", [3])]
    let query: Name = "bert.encoder.layer.0.attention.self.query.bias"
    #expect(
      try changed(Self.named("bert.", one), Self.named("bert.", one))
        == [query, "cls.predictions.bias"].sorted())
    #expect(
      try changed(Self.named("bert.", both), Self.named("bert.", one))
        == [query, "cls.predictions.bias", "cls.predictions.decoder.bias"].sorted())
  }

  /// The tuned model may store both names of what the base stores once.
  @Test func copiesOfOneTensorAreOneChange() throws {
    let one: [(Name, [Int])] = [("cls.predictions.bias", [3])]
    let both: [(Name, [Int])] = one + [("cls.predictions.decoder.bias", [3])]
    #expect(
      try changed(Self.named("bert.", one), Self.named("bert.", both))
        == ["bert.encoder.layer.0.attention.self.query.bias", "cls.predictions.bias"])
  }

  @Test func whatIsOfOneAloneIsRefusedOrLeftBehind() throws {
    let base = try checkpoint(folders.base, Self.named("bert.", [("cls.a.weight", [2])]), shift: 0)
    let tuned = try checkpoint(
      folders.tuned, Self.named("bert.", [("classifier.weight", [2])]), shift: 0.5)
    let error = #expect(throws: AdapterError.self) { try BiasExtraction(from: base, to: tuned) }
    #expect(error?.kind == .otherChanges)
    let extraction = try BiasExtraction(
      from: base, to: tuned, options: .init(leavesOthers: true))
    #expect(extraction.left == ["classifier.weight"] && extraction.missing == ["cls.a.weight"])
    let other = try checkpoint(folders.tuned, [("x.weight", [2])], shift: 0)
    #expect(throws: AdapterError.self) {
      try BiasExtraction(from: base, to: other, options: .init(leavesOthers: true))
    }
  }
}

import AdapterFormat
import AdapterRuntime
import Operations
import Checkpoints
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// Merges that change which tensors a checkpoint has, and how long they are.
@Suite struct StructureTests {
  /// W[i] = i, of [rows, columns].
  private func ramp(_ count: Int) -> [Float] { (0..<count).map { Float($0) } }

  private func values(_ view: AdaptedCheckpoint, _ name: Name) throws -> [Double] {
    doubles(try #require(try view.contents(of: name)), .f32)
  }

  /// A LoRA of ones on a head of 4 × 2.
  private func headAdapter() throws -> Adapter {
    var made = HandMadeAdapter()
    let low = AddLowRank(
      target: Target("lm_head.weight", layout: .outIn, layoutSource: .guessed),
      a: made.operand("a", [1, 2], [1, 1]), b: made.operand("b", [4, 1], [1, 1, 1, 1]), scale: 1)
    try made.append(low)
    return made.adapter
  }

  @Test func anUntiedHeadGetsATensorOfItsOwn() throws {
    let folder = try TemporaryFolder()
    var base = HandMadeCheckpoint()
    base.add("model.embed_tokens.weight", [4, 2], ramp(8))
    let config =
      #"{"architectures": ["X"], "tie_word_embeddings": true, "a": {"tie_word_embeddings": true}}"#
    let checkpoint = try base.write(to: folder, config: config)
    let adapter = try headAdapter()
    let error = #expect(throws: AdapterError.self) {
      try AdaptedCheckpoint(checkpoint, applying: adapter)
    }
    #expect(error?.kind == .tied)
    let view = try AdaptedCheckpoint(
      checkpoint, applying: adapter, policy: .init(choices: BindingChoices(ties: .untie)))
    #expect(view.changedNames == ["lm_head.weight"])
    let output = try TemporaryFolder()
    let receipt = try Merge(view).write(to: output.appending("out"), replacing: false)
    #expect(receipt.created == ["lm_head.weight"])
    let merged = try Checkpoint(output.appending("out"))
    #expect(try merged.values("model.embed_tokens.weight") == (0..<8).map(Double.init))
    #expect(try merged.values("lm_head.weight") == (0..<8).map { Double($0) + 1 })
    #expect(merged.config?.tiesWordEmbeddings == false)
    let text = String(decoding: try output.appending("out/config.json").contents, as: UTF8.self)
    #expect(text == config.replacing("true", with: "false"))
  }

  /// Rows of a tied embedding follow on both ends, as in the model that was trained.
  @Test func rowsOfATiedEmbeddingNeedNoWord() throws {
    let folder = try TemporaryFolder()
    var base = HandMadeCheckpoint()
    base.add("model.embed_tokens.weight", [4, 2], ramp(8))
    let checkpoint = try base.write(to: folder, config: #"{"tie_word_embeddings":true}"#)
    var made = HandMadeAdapter()
    let rows = made.operand("rows", [2, 2], [10, 11, 12, 13])
    try made.append(
      ReplaceRows(target: Target("model.embed_tokens.weight"), rows: [3, 0], values: rows))
    let view = try AdaptedCheckpoint(checkpoint, applying: made.adapter)
    #expect(try values(view, "model.embed_tokens.weight") == [12, 13, 2, 3, 4, 5, 10, 11])
  }

  @Test func aMissingBiasIsMadeOnRequestOnly() throws {
    let base = try Checkpoint(Repository.base("tiny-llama"))
    let name: Name = "model.layers.0.self_attn.q_proj.bias"
    var made = HandMadeAdapter()
    let delta = made.operand("d", [32], ramp(32))
    try made.append(Add(target: Target(name), delta: delta, scale: 2))
    let adapter = made.adapter
    let error = #expect(throws: AdapterError.self) {
      try AdaptedCheckpoint(base, applying: adapter)
    }
    #expect(error?.kind == .unbound && error?.place?.hasSuffix(".bias") == true)
    let view = try AdaptedCheckpoint(
      base, applying: adapter, policy: .init(choices: BindingChoices(missingBias: .create)))
    let folder = try TemporaryFolder()
    let receipt = try Merge(view).write(to: folder.appending("out"), replacing: false)
    #expect(receipt.created == [name])
    // Several shards: the index names the new tensor, and every other is the base's.
    let merged = try Checkpoint(folder.appending("out"))
    #expect(merged.shards.count == base.shards.count)
    #expect(try merged.values(name) == (0..<32).map { 2 * Double($0) })
    #expect(merged.tensor(name)?.info.type == .bf16)
    for tensor in base.tensors {
      let written = try #require(merged.tensor(tensor.info.name))
      #expect(try written.contents() == tensor.contents())
    }
  }

  @Test func aNewVocabularyIsInTheConfiguration() throws {
    let fixture = try #require(PEFTCase.all.first { $0.name == "llama_resized" })
    let (adapter, base) = try open(fixture)
    let folder = try TemporaryFolder()
    let receipt = try Merge(AdaptedCheckpoint(base, applying: adapter)).write(
      to: folder.appending("out"), replacing: false)
    #expect(receipt.resized.count == 2)
    let before = String(
      decoding: try fixture.basePath.appending("config.json").contents, as: UTF8.self)
    let after = String(decoding: try folder.appending("out/config.json").contents, as: UTF8.self)
    #expect(before.contains(#""vocab_size": 40"#))
    #expect(after == before.replacing(#""vocab_size": 40"#, with: #""vocab_size": 43"#))
  }

  @Test func whatWouldBeLostIsRefused() throws {
    let folder = try TemporaryFolder()
    var base = HandMadeCheckpoint()
    base.add("a.bias", [2], [1, 2])
    let checkpoint = try base.write(to: folder)
    var made = HandMadeAdapter()
    let value = made.operand("v", [2], [5, 6])
    try made.append(Add(target: Target("a.bias"), delta: value, scale: 1))
    try made.append(Replace(target: Target("a.bias"), value: value))
    let adapter = made.adapter
    #expect(throws: AdapterError.self) { try AdaptedCheckpoint(checkpoint, applying: adapter) }
  }

  /// A number of steps is no weight: it can be given, not computed with.
  @Test func typesThatCannotMeetAreRefused() throws {
    let folder = try TemporaryFolder()
    var base = HandMadeCheckpoint()
    base.add("a.weight", [2], [1, 2])
    base.add("a.steps", .i64, [], [UInt8](repeating: 1, count: 8))
    let checkpoint = try base.write(to: folder)
    var made = HandMadeAdapter()
    let scalar = made.operand("v", [], [1])
    try made.append(Replace(target: Target("a.steps"), value: scalar))
    let replaced = made.adapter
    let error = #expect(throws: AdapterError.self) {
      try AdaptedCheckpoint(checkpoint, applying: replaced)
    }
    #expect(error?.kind == .type)
    var other = HandMadeAdapter()
    let delta = other.operand("v", [], [1])
    try other.append(Add(target: Target("a.steps"), delta: delta, scale: 1))
    let added = other.adapter
    #expect(throws: AdapterError.self) { try AdaptedCheckpoint(checkpoint, applying: added) }
  }

  /// What another operation makes is changed like what is stored, and must fit as well.
  @Test func aNewHeadMayBeChangedFurther() throws {
    let folder = try TemporaryFolder()
    var base = HandMadeCheckpoint()
    base.add("a.weight", [2], [1, 2])
    let checkpoint = try base.write(to: folder)
    for input in [2, 3] {
      var made = HandMadeAdapter()
      let value = made.operand("v", [3, 2], ramp(6))
      try made.append(Replace(target: Target("score.weight"), value: value, absent: .create))
      let low = AddLowRank(
        target: Target("score.weight", layout: .outIn, layoutSource: .guessed),
        a: made.operand("a", [1, input], ramp(input)), b: made.operand("b", [3, 1], [1, 1, 1]),
        scale: 1)
      try made.append(low)
      let adapter = made.adapter
      guard input == 2 else {
        #expect(throws: AdapterError.self) { try AdaptedCheckpoint(checkpoint, applying: adapter) }
        continue
      }
      let view = try AdaptedCheckpoint(checkpoint, applying: adapter)
      #expect(try values(view, "score.weight") == [0, 2, 2, 4, 4, 6])
    }
  }

  /// A bias of another length than the weight's outputs is none that a factor could be for.
  @Test func aBiasThatDoesNotFitIsRefused() throws {
    let folder = try TemporaryFolder()
    var base = HandMadeCheckpoint()
    base.add("a.weight", [2, 3], ramp(6))
    base.add("a.bias", [5], ramp(5))
    let checkpoint = try base.write(to: folder)
    var made = HandMadeAdapter()
    let vector = made.operand("v", [2, 1], [5, 6])
    try made.append(
      Multiply(
        target: Target("a.weight", layout: .outIn), vector: vector, side: .output,
        scalesBias: true))
    let adapter = made.adapter
    let error = #expect(throws: AdapterError.self) {
      try AdaptedCheckpoint(checkpoint, applying: adapter)
    }
    #expect(error?.kind == .shape)
  }
}

/// Names that may be absent, and names that share a tensor.
@Suite struct PlaceTests {
  private func merged(
    _ base: HandMadeCheckpoint, _ adapter: Adapter, choices: BindingChoices = .init(),
    config: String? = nil
  ) throws -> AdaptedCheckpoint {
    let folder = try TemporaryFolder()
    return try AdaptedCheckpoint(
      base.write(to: folder, config: config), applying: adapter, policy: .init(choices: choices))
  }

  /// A LoRA of ones on l.q.weight, and a head.
  private func adapter(bound: [Name] = []) throws -> Adapter {
    var made = HandMadeAdapter()
    let head = made.operand("v", [1, 2], [7, 8])
    try made.append(Replace(target: Target("score.weight"), value: head, absent: .create))
    var low = AddLowRank(
      target: Target("l.q.weight", layout: .outIn, layoutSource: .guessed),
      a: made.operand("a", [1, 2], [1, 1]), b: made.operand("b", [3, 1], [1, 1, 1]), scale: 1)
    low.target.bound = bound
    try made.append(low)
    return made.adapter
  }

  /// The model lies under a prefix; its head may lie beside it.
  @Test func aHeadIsFoundWhereItIs() throws {
    for name in ["score.weight", "model.score.weight"] as [Name] {
      var base = HandMadeCheckpoint()
      base.add("model.l.q.weight", [3, 2], [0, 0, 0, 0, 0, 0])
      base.add(name, [1, 2], [0, 0])
      let view = try merged(base, adapter())
      #expect(view.changedNames == ["model.l.q.weight", name].sorted())
    }
  }

  /// Where there is none, it is made under its own name, never in another model of the same file.
  @Test func aNewHeadIsMadeUnderItsOwnName() throws {
    var base = HandMadeCheckpoint()
    base.add("l.q.weight", [3, 2], [0, 0, 0, 0, 0, 0])
    base.add("teacher.l.q.weight", [3, 2], [0, 0, 0, 0, 0, 0])
    base.add("teacher.score.weight", [1, 2], [0, 0])
    #expect(try merged(base, adapter()).changedNames == ["l.q.weight", "score.weight"])
    for bound in [[], ["model.l.q.weight"]] as [[Name]] {
      var prefixed = HandMadeCheckpoint()
      prefixed.add("model.l.q.weight", [3, 2], [0, 0, 0, 0, 0, 0])
      let view = try merged(prefixed, adapter(bound: bound))
      #expect(view.changedNames == ["model.l.q.weight", "score.weight"])
    }
  }

  /// A replacement undoes what was done under another name of the same parameter.
  @Test func orderCountsByParameter() throws {
    var base = HandMadeCheckpoint()
    base.add("x.weight", [2, 3], [1, 1, 1, 1, 1, 1])
    base.add("x.bias", [2], [1, 1])
    var made = HandMadeAdapter()
    let vector = made.operand("v", [2], [2, 3])
    try made.append(
      Multiply(
        target: Target("x.weight", layout: .outIn), vector: vector, side: .output,
        scalesBias: true))
    try made.append(Replace(target: Target("x.bias"), value: vector))
    let adapter = made.adapter
    #expect(throws: AdapterError.self) { try merged(base, adapter) }
  }

  /// T5 has three names for one tensor: a change of two of them is not that of one.
  @Test func noEndOfATieIsForgotten() throws {
    var base = HandMadeCheckpoint()
    base.add("shared.weight", [3, 2], [0, 0, 0, 0, 0, 0])
    let names: [Name] = ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight"]
    for (first, second) in [([0], [1]), ([1], [1])] as [([Int], [Int])] {
      var made = HandMadeAdapter()
      let values = made.operand("v", [1, 2], [5, 6])
      try made.append(ReplaceRows(target: Target(names[0]), rows: first, values: values))
      try made.append(ReplaceRows(target: Target(names[1]), rows: second, values: values))
      let adapter = made.adapter
      let config = #"{"model_type":"t5"}"#
      guard first == second else {
        #expect(throws: AdapterError.self) { try merged(base, adapter, config: config) }
        continue
      }
      let view = try merged(base, adapter, config: config)
      let bytes = try #require(try view.contents(of: "shared.weight"))
      #expect(doubles(bytes, .f32) == [0, 0, 5, 6, 0, 0])
    }
  }

  /// Ends of a tie are compared bit for bit, whatever their bits mean.
  @Test func integersOnBothEndsOfATieAreCompared() throws {
    var base = HandMadeCheckpoint()
    base.add("model.embed_tokens.weight", .i64, [1, 1], [UInt8](repeating: 0, count: 8))
    let shape = try #require(Shape([1, 1]))
    let info = TensorInfo(name: "v", type: .i64, shape: shape)
    let names: [Name] = ["model.embed_tokens.weight", "lm_head.weight"]
    let operations = try names.map { name in
      try Operation(Replace(target: Target(name), value: TypedOperand(info)))
    }
    let bytes = (1...8).map { UInt8($0) }
    let adapter = Adapter(
      name: "default", method: "test", operations: operations, inert: [], source: nil, files: [],
      base: nil, tensors: [TensorContents(info, bytes: MemoryBytes(bytes), offset: 0)])
    let view = try merged(base, adapter, config: #"{"tie_word_embeddings":true}"#)
    #expect(view.changedNames == ["model.embed_tokens.weight"])
    #expect(try view.contents(of: "model.embed_tokens.weight") == bytes)
  }

  @Test func aMadeBiasFitsItsWeight() throws {
    var base = HandMadeCheckpoint()
    base.add("x.weight", [2, 3], [1, 1, 1, 1, 1, 1])
    var made = HandMadeAdapter()
    let delta = made.operand("d", [7], [1, 1, 1, 1, 1, 1, 1])
    try made.append(Add(target: Target("x.bias"), delta: delta, scale: 1))
    let adapter = made.adapter
    #expect(throws: AdapterError.self) {
      try merged(base, adapter, choices: .init(missingBias: .create))
    }
  }

  /// Elements that are parts of bytes come through as they are.
  @Test func valuesOfAnyTypeAreReplaced() throws {
    var base = HandMadeCheckpoint()
    base.add("x", .f4, [2, 4], [0, 0, 0, 0])
    let shape = try #require(Shape([2, 4]))
    let info = TensorInfo(name: "v", type: .f4, shape: shape)
    let bytes: [UInt8] = [0x11, 0x22, 0x33, 0x44]
    let replace = try Operation(
      Replace(target: Target("x"), value: TypedOperand(info)))
    let adapter = Adapter(
      name: "default", method: "test", operations: [replace], inert: [], source: nil, files: [],
      base: nil, tensors: [TensorContents(info, bytes: MemoryBytes(bytes), offset: 0)])
    #expect(try merged(base, adapter).contents(of: "x") == bytes)
  }

  /// JSON has no word for it, and no weight could be what it makes.
  @Test func anInfiniteScaleIsNoNumber() throws {
    var made = HandMadeAdapter()
    let delta = made.operand("d", [1], [1])
    #expect(throws: FormatError.self) {
      try made.append(Add(target: Target("x"), delta: delta, scale: .infinity))
    }
  }

  /// A window of integers is cut as bytes are.
  @Test func aWindowOfIntegersIsReplaced() throws {
    var base = HandMadeCheckpoint()
    base.add("x", .i64, [1], [UInt8](repeating: 0, count: 8))
    let shape = try #require(Shape([3]))
    let info = TensorInfo(name: "v", type: .i64, shape: shape)
    let replace = try Operation(
      Replace(
        target: Target("x"), value: TypedOperand(Operand("v", window: [1..<2]), in: info)))
    let values = (0..<24).map { UInt8($0) }
    let adapter = Adapter(
      name: "default", method: "test", operations: [replace], inert: [], source: nil, files: [],
      base: nil, tensors: [TensorContents(info, bytes: MemoryBytes(values), offset: 0)])
    #expect(try merged(base, adapter).contents(of: "x") == Array(8..<16))
  }

  /// A few bytes cannot ask for much more memory than the weight has.
  @Test func factorsStayInProportion() throws {
    var base = HandMadeCheckpoint()
    base.add("x.weight", [1, 1 << 14], [Float](repeating: 0, count: 1 << 14))
    var made = HandMadeAdapter()
    let size = 1 << 14
    var low = AddLowRank(
      target: Target("x.weight", layout: .outIn, layoutSource: .guessed),
      a: made.operand("a", [size, 1], [Float](repeating: 1, count: size)),
      b: made.operand("b", [1, size], [Float](repeating: 1, count: size)), scale: 1)
    low.aBlocks = size
    try made.append(low)
    let view = try merged(base, made.adapter)
    #expect(throws: AdapterError.self) { try view.contents(of: "x.weight") }
  }
}

/// Experts stacked in one tensor, or one by one: the same adapter gives the same weights.
@Suite struct ExpertTests {
  /// tiny-mixtral as transformers keeps it in memory.
  private func stacked(_ base: Checkpoint, in folder: TemporaryFolder) throws -> Checkpoint {
    var made = HandMadeCheckpoint()
    var parts: [Name: [Float]] = [:]
    let names = base.names.filter { $0.text.contains(".experts.") }.sorted()
    for leaves in [["w1", "w3"], ["w2"]] {
      for layer in 0..<2 {
        let prefix = "model.layers.\(layer).block_sparse_moe.experts."
        guard base.tensor(Name(prefix + "0.w1.weight")) != nil else { continue }
        let target = Name(
          "model.layers.\(layer).mlp.experts.\(leaves.count == 2 ? "gate_up_proj" : "down_proj")")
        for expert in 0..<4 {
          for leaf in leaves {
            let name = Name("\(prefix)\(expert).\(leaf).weight")
            parts[target, default: []] += try base.values(name).map { Float($0) }
          }
        }
        let shape = try #require(base.tensor(Name(prefix + "0.\(leaves[0]).weight"))).info.shape
        let rows = shape.dimensions[0] * leaves.count
        made.add(target, [4, rows, shape.dimensions[1]], try #require(parts[target]))
      }
    }
    #expect(!names.isEmpty)
    return try made.write(to: folder)
  }

  @Test func aStackAndItsPartsAgree() throws {
    let fixture = try #require(PEFTCase.all.first { $0.name == "mixtral_experts" })
    let (adapter, base) = try open(fixture)
    let folder = try TemporaryFolder()
    let stack = try stacked(base, in: folder)
    let (parts, whole) = (
      try AdaptedCheckpoint(base, applying: adapter),
      try AdaptedCheckpoint(stack, applying: adapter)
    )
    for name in whole.changedNames {
      var expected: [UInt8] = []
      let leaves = name.hasSuffix("gate_up_proj") ? ["w1", "w3"] : ["w2"]
      let prefix = name.text.replacing("mlp.experts", with: "block_sparse_moe.experts").split(
        separator: "."
      ).dropLast().joined(separator: ".")
      for expert in 0..<4 {
        for leaf in leaves {
          expected += try #require(
            try parts.contents(of: Name("\(prefix).\(expert).\(leaf).weight")))
        }
      }
      let merged = doubles(try #require(try whole.contents(of: name)), .f32)
      for (value, wanted) in zip(merged, doubles(expected, .f32)) {
        #expect(abs(value - wanted) <= 0x1p-22)
      }
    }
    #expect(!whole.changedNames.isEmpty)
  }

  /// An adapter for single experts finds them in the stack.
  @Test func oneExpertIsFoundInTheStack() throws {
    let base = try Checkpoint(Repository.base("tiny-mixtral"))
    let folder = try TemporaryFolder()
    let stack = try stacked(base, in: folder)
    let name: Name = "model.layers.0.block_sparse_moe.experts.2.w3.weight"
    let shape = try #require(base.tensor(name)).info.shape.dimensions
    var made = HandMadeAdapter()
    let low = AddLowRank(
      target: Target(name, layout: .outIn, layoutSource: .guessed),
      a: made.operand("a", [1, shape[1]], (0..<shape[1]).map { Float($0) }),
      b: made.operand("b", [shape[0], 1], (0..<shape[0]).map { Float($0 + 1) }), scale: 1)
    try made.append(low)
    let (single, whole) = (
      try AdaptedCheckpoint(base, applying: made.adapter),
      try AdaptedCheckpoint(stack, applying: made.adapter)
    )
    let target: Name = "model.layers.0.mlp.experts.gate_up_proj"
    #expect(whole.changedNames == [target])
    let merged = try #require(try whole.contents(of: target))
    let part = try #require(try single.contents(of: name))
    // Expert 2 of 4, its second half.
    #expect(Array(merged[5 * part.count..<6 * part.count]) == part)
    let original = try #require(stack.tensor(target))
    let before = try original.contents()
    #expect(merged[..<(5 * part.count)] == before[..<(5 * part.count)])
    #expect(merged[(6 * part.count)...] == before[(6 * part.count)...])
  }

  /// Square experts stored one by one: nothing shows how the stack is stored, so it must be said.
  @Test func squareExpertsAreNotGuessed() throws {
    let folder = try TemporaryFolder()
    var base = HandMadeCheckpoint()
    for expert in 0..<2 {
      base.add(Name("m.mlp.experts.\(expert).down_proj.weight"), [2, 2], [0, 0, 0, 0])
    }
    let checkpoint = try base.write(to: folder)
    func adapter(_ layout: Layout) throws -> Adapter {
      var made = HandMadeAdapter()
      var low = AddLowRank(
        target: Target("m.mlp.experts.down_proj", layout: layout, layoutSource: .sure),
        a: made.operand("a", [2, 2], [1, 2, 3, 4]), b: made.operand("b", [2, 2], [1, 1, 10, 10]),
        scale: 1)
      low.experts = 2
      try made.append(low)
      return made.adapter
    }
    let error = #expect(throws: AdapterError.self) {
      try AdaptedCheckpoint(checkpoint, applying: adapter(.unresolved))
    }
    #expect(error?.kind == .undecidedLayout)
    // B A of the first expert is [[1, 2], [10, 20]].
    for (layout, values) in [(.outIn, [1, 2, 10, 20]), (.inOut, [1, 10, 2, 20])]
      as [(Layout, [Double])]
    {
      let view = try AdaptedCheckpoint(checkpoint, applying: adapter(layout))
      let bytes = try #require(try view.contents(of: "m.mlp.experts.0.down_proj.weight"))
      #expect(doubles(bytes, .f32) == values)
    }
  }

  /// A stack is cut as one; what is not for stacks would take it for something else.
  @Test func aStackIsForStacksOnly() throws {
    let folder = try TemporaryFolder()
    var base = HandMadeCheckpoint()
    base.add("x", [2, 2, 3], [Float](repeating: 0, count: 12))
    let checkpoint = try base.write(to: folder)
    var made = HandMadeAdapter()
    var low = AddLowRank(
      target: Target("x", layout: .outIn, layoutSource: .sure),
      a: made.operand("a", [2, 3], [1, 1, 1, 1, 1, 1]),
      b: made.operand("b", [2, 2], [1, 1, 1, 1]), scale: 1)
    low.experts = 2
    try made.append(
      ReplaceRows(
        target: Target("x"), rows: [0],
        values: made.operand("v", [1, 2, 3], [Float](repeating: 1, count: 6))))
    try made.append(low)
    let adapter = made.adapter
    #expect(throws: AdapterError.self) { try AdaptedCheckpoint(checkpoint, applying: adapter) }
  }
}

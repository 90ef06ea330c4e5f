import AdapterInterop
import AdapterRuntime
import Operations
import Checkpoints
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// A view read piece by piece.
@Suite struct TensorReaderTests {
  /// Tiles make up the tensor, and so do rows one by one, though some turn together.
  @Test(arguments: [
    "road_1", "llama_dora_embed", "gpt2_dora", "mixtral_experts", "conv_lora", "llama_saved_head",
    "conv_saved_norm", "llama_resized", "loha_conv", "llama_f16",
  ])
  func rowsAndTilesAreTheTensor(_ name: String) throws {
    let (adapter, base) = try base(of: name)
    let view = try AdaptedCheckpoint(base, applying: adapter)
    #expect(Set(view.names) == Set(base.names).union(view.changedNames))
    for name in view.names {
      let reader = try #require(try view.reader(of: name))
      let contents = try #require(try view.contents(of: name))
      #expect(reader.info == view.info(of: name) && contents.count == reader.info.byteCount)
      #expect(reader.rowCount == reader.info.shape.dimensions.first ?? 1)
      var tiles: [UInt8] = []
      try unsafe reader.forEachTile { rows, bytes in
        #expect(rows.lowerBound * reader.rowByteCount == tiles.count)
        unsafe tiles.append(contentsOf: bytes)
      }
      #expect(tiles.elementsEqual(contents))
      var rows = [UInt8](repeating: 0xA5, count: contents.count)
      for row in (0..<reader.rowCount).reversed() {
        let start = row * reader.rowByteCount
        rows.replaceSubrange(
          start..<start + reader.rowByteCount, with: try reader.contents(of: row..<row + 1))
      }
      #expect(rows.elementsEqual(contents))
    }
    #expect(try view.reader(of: "not.there") == nil)
  }

  /// A stack of experts that is stored as one tensor: rows are experts.
  @Test func rowsOfAStackAreItsMatrices() throws {
    let folder = try TemporaryFolder()
    var base = HandMadeCheckpoint()
    base.add("m.experts.down_proj", [3, 2, 4], (0..<24).map(Float.init))
    let checkpoint = try base.write(to: folder)
    var made = HandMadeAdapter()
    var low = AddLowRank(
      target: Target("m.experts.down_proj", layout: .outIn, layoutSource: .sure),
      a: made.operand("a", [3, 4], (0..<12).map(Float.init)),
      b: made.operand("b", [2, 3], [1, 2, 3, 4, 5, 6]), scale: 1)
    low.experts = 3
    try made.append(low)
    let view = try AdaptedCheckpoint(checkpoint, applying: made.adapter)
    let reader = try #require(try view.reader(of: "m.experts.down_proj"))
    #expect(reader.rowCount == 3 && reader.rowByteCount == 32)
    let middle = try reader.contents(of: 1..<2)
    // Expert 1: A = [4, 5, 6, 7], B = [2, 5].
    #expect(doubles(middle, .f32) == [16, 19, 22, 25, 32, 38, 44, 50])
  }
}

/// Stacks in which a tensor or a name is a matter of all.
@Suite struct StackStructureTests {
  private let embedding: Name = "model.embed_tokens.weight"

  private func tied(_ folder: TemporaryFolder) throws -> Checkpoint {
    var base = HandMadeCheckpoint()
    base.add(embedding, [4, 2], (0..<8).map(Float.init))
    return try base.write(to: folder, config: #"{"tie_word_embeddings": true}"#)
  }

  /// Ones times `scale`, added to a parameter of 4 × 2.
  private func ones(_ names: [Name], _ scale: Double) throws -> Adapter {
    var made = HandMadeAdapter()
    for (place, name) in names.enumerated() {
      let isHead = name == "lm_head.weight"
      let layout: Layout = isHead ? .outIn : .inOut
      let (rows, columns) = isHead ? (4, 2) : (2, 4)
      try made.append(
        AddLowRank(
          target: Target(name, layout: layout, layoutSource: .sure),
          a: made.operand(Name("a\(place)"), [1, columns], Array(repeating: 1, count: columns)),
          b: made.operand(Name("b\(place)"), [rows, 1], Array(repeating: 1, count: rows)),
          scale: scale))
    }
    return made.adapter
  }

  /// One adapter parts the head from the embedding; one that changes both alike changes both still ([STK-7]).
  @Test(arguments: [true, false])
  func whatIsForBothEndsReachesBoth(_ isPartedFirst: Bool) throws {
    let folder = try TemporaryFolder()
    let base = try tied(folder)
    let parting = WeightedAdapter(try ones(["lm_head.weight"], 1))
    let both = WeightedAdapter(try ones([embedding, "lm_head.weight"], 10), weight: 2)
    let view = try AdaptedCheckpoint(
      base, applying: isPartedFirst ? [parting, both] : [both, parting],
      policy: .init(choices: BindingChoices(ties: .untie)))
    #expect(view.changedNames == ["lm_head.weight", embedding])
    func values(_ name: Name) throws -> [Double] {
      doubles(try #require(try view.contents(of: name)), .f32)
    }
    #expect(try values(embedding) == (0..<8).map { Double($0) + 20 })
    #expect(try values("lm_head.weight") == (0..<8).map { Double($0) + 21 })
    let output = try TemporaryFolder()
    let receipt = try Merge(view).write(to: output.appending("out"), replacing: false)
    #expect(receipt.created == ["lm_head.weight"] && receipt.editedFiles == ["config.json"])
    #expect(receipt.applied.adapters.map(\.changedCount).sorted() == [1, 2])
  }

  /// `names` is for the adapters that have the target.
  @Test func aNameIsGivenToThoseThatHaveIt() throws {
    let folder = try TemporaryFolder()
    var base = HandMadeCheckpoint()
    base.add("a.weight", [4, 2], (0..<8).map(Float.init))
    base.add("b.weight", [4, 2], (0..<8).map(Float.init))
    let checkpoint = try base.write(to: folder)
    let (first, second) = (try ones(["x.weight"], 1), try ones(["b.weight"], 1))
    func view(_ names: NameMap) throws -> AdaptedCheckpoint {
      try AdaptedCheckpoint(
        checkpoint, applying: [WeightedAdapter(first), WeightedAdapter(second)],
        policy: .init(choices: BindingChoices(layout: .inOut, names: names)))
    }
    #expect(try view(["x.weight": "a.weight"]).changedNames == ["a.weight", "b.weight"])
    #expect(try view(["x.weight": "b.weight"]).changedNames == ["b.weight"])
    #expect(throws: AdapterError.self) { try view(["x.weight": "a.weight", "y": "a.weight"]) }
  }

  /// The adapter with the damage is named.
  @Test func aNaNIsFoundInItsAdapter() throws {
    let folder = try TemporaryFolder()
    var base = HandMadeCheckpoint()
    base.add("a.weight", [4, 2], (0..<8).map(Float.init))
    let checkpoint = try base.write(to: folder)
    var made = HandMadeAdapter()
    try made.append(
      Add(
        target: Target("a.weight"),
        delta: made.operand("d", [8], [.nan] + Array(repeating: 1, count: 7)), scale: 1))
    let view = try AdaptedCheckpoint(
      checkpoint,
      applying: [
        WeightedAdapter(try ones(["a.weight"], 1), label: "good"),
        WeightedAdapter(made.adapter, label: "bad"),
      ], policy: .init(choices: BindingChoices(layout: .inOut)))
    let error = #expect(throws: AdapterError.self) { try view.contents(of: "a.weight") }
    #expect(error?.kind == .nonfinite && error?.places == ["d"] && error?.adapter == "bad")
  }

  /// The receipt says what was applied, adapter by adapter.
  @Test func theReceiptHasAnEntryForEach() throws {
    let (lora, base) = try base(of: "llama_tokens")
    let dora = try PEFTImport(PEFTFolder(Repository.peft("llama_dora"))).adapter
    let view = try AdaptedCheckpoint(
      base,
      applying: [
        WeightedAdapter(lora, label: "tokens"), WeightedAdapter(dora, weight: 0.25, label: "dora"),
      ])
    let receipt = view.receipt
    #expect(receipt.adapters.map(\.label) == ["tokens", "dora"])
    #expect(receipt.adapters.map(\.weight) == [1, 0.25])
    #expect(receipt.adapters.map(\.changedCount) == [2, 2])
    #expect(receipt.adapters.map(\.verdict) == [.unknown, .unknown])
    #expect(receipt.adapters[0].operations.map(\.name) == ["add_low_rank", "replace_rows"])
    #expect(receipt.adapters[0].operations.map(\.count) == [1, 1])
    // q_proj is changed by both.
    #expect(receipt.changed.count == 3)
    #expect(receipt.untouchedCount == base.names.count - 3)
    #expect(receipt.description.contains("dora × 0.25: lora, 2 add_low_rank"))
  }
}

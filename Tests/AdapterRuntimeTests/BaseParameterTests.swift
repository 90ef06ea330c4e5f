import AdapterFormat
import AdapterRuntime
import Checkpoints
import Operations
import Storage
import StrictJSON
import TestSupport
import Testing

/// How operations meet the parameters of a base (Spec/adp-v1.md, 8.23), and what counts for nothing.
@Suite struct BaseParameterTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  private func base(
    _ tensors: [(name: Name, shape: [Int])], config: String? = nil
  ) throws -> Checkpoint {
    var made = HandMadeCheckpoint()
    for (name, shape) in tensors {
      made.add(name, shape, (0..<shape.reduce(1, *)).map { Float($0 + 1) })
    }
    return try made.write(to: folder, config: config)
  }

  private func adapter(
    _ body: (inout HandMadeAdapter) throws -> Void
  ) throws -> Adapter {
    var made = HandMadeAdapter()
    try body(&made)
    return made.adapter
  }

  private func low(
    _ made: inout HandMadeAdapter, _ target: Target, out: Int, in input: Int
  ) throws {
    try made.append(
      AddLowRank(
        target: target, a: made.operand("a", [1, input], Array(repeating: 1, count: input)),
        b: made.operand("b", [out, 1], Array(repeating: 1, count: out)), scale: 1))
  }

  private func values(_ view: AdaptedCheckpoint, _ name: Name) throws -> [Double] {
    doubles(try #require(try view.contents(of: name)), .f32)
  }

  // MARK: - Names, shapes and layouts

  /// Its own name first, then the one that it was bound to ([BND-1]).
  @Test func aTargetIsFoundByItsNameOrByTheOneItWasBoundTo() throws {
    let base = try base([("y.weight", [2, 2])])
    func target(_ bound: [Name]) -> Target {
      var target = Target("x.weight", layout: .outIn)
      target.bound = bound
      return target
    }
    let found = try adapter { try low(&$0, target(["y.weight"]), out: 2, in: 2) }
    #expect(try AdaptedCheckpoint(base, applying: found).changedNames == ["y.weight"])
    for bound in [[], ["z.weight"]] as [[Name]] {
      let lost = try adapter { try low(&$0, target(bound), out: 2, in: 2) }
      #expect(throws: AdapterError.self) { try AdaptedCheckpoint(base, applying: lost) }
    }
  }

  /// A recorded shape is the parameter's, whatever the operands allow ([BND-2]).
  @Test func aRecordedShapeIsExact() throws {
    let base = try base([("x.weight", [8, 3])])
    for (shape, goes) in [([6, 4], false), ([8, 3], true), ([24], false), ([3, 8], false)] {
      let adapter = try adapter { made in
        var target = Target("x.weight")
        target.shape = Shape(shape.map { UInt64($0) })
        try made.append(
          Add(
            target: target, delta: made.operand("d", [24], Array(repeating: 1, count: 24)), scale: 1
          ))
      }
      if goes {
        _ = try AdaptedCheckpoint(base, applying: adapter)
      } else {
        let error = #expect(throws: AdapterError.self) {
          try AdaptedCheckpoint(base, applying: adapter)
        }
        #expect(error?.kind == .shape)
      }
    }
  }

  /// But for the first dimension of what may be resized ([BND-2]).
  @Test func aRecordedShapeLeavesTheVocabularyFree() throws {
    let base = try base([("embed.weight", [4, 2])])
    for (shape, goes) in [([3, 2], true), ([5, 2], true), ([4, 3], false)] {
      let adapter = try adapter { made in
        var target = Target("embed.weight")
        target.shape = Shape(shape.map { UInt64($0) })
        let width = shape[1]
        let value = made.operand("v", [6, width], Array(repeating: 0, count: 6 * width))
        try made.append(Replace(target: target, value: value, canResize: true))
      }
      let view = try? AdaptedCheckpoint(base, applying: adapter)
      #expect((view != nil) == goes)
    }
  }

  /// A shape that shows another layout than a sure one is that of another base; a guess gives way, with a note ([BND-3]).
  @Test(arguments: [LayoutSource.sure, .guessed, nil])
  func aShapeContradictsALayout(_ source: LayoutSource?) throws {
    let base = try base([("x.weight", [4, 6])])
    let adapter = try adapter {
      try low(&$0, Target("x.weight", layout: .outIn, layoutSource: source), out: 6, in: 4)
    }
    guard source == .sure else {
      let bound = try BoundAdapter(adapter, to: base)
      #expect(bound.adapter.operations[0].target?.layout == .inOut && !bound.notes.isEmpty)
      return
    }
    let error = #expect(throws: AdapterError.self) { try BoundAdapter(adapter, to: base) }
    #expect(error?.kind == .layoutConflict)
  }

  // MARK: - Ties

  private static let tied = #"{"model_type":"llama","tie_word_embeddings":true}"#

  /// The same operation on both ends is done once, whatever it is ([BND-5]).
  @Test(arguments: ["multiply", "dora", "hadamard", "reflect"])
  func theSameOperationOnBothEndsIsOne(_ kind: String) throws {
    let ends: [Name] = ["model.embed_tokens.weight", "lm_head.weight"]
    let base = try base([(ends[0], [3, 2])], config: Self.tied)
    func deed(_ made: inout HandMadeAdapter, _ end: Name, _ last: Float) throws {
      let target = Target(end, layout: .outIn)
      switch kind {
      case "multiply":
        let vector = made.operand(Name("v" + end.text), [2], [2, last])
        try made.append(Multiply(target: target, vector: vector, side: .input, scalesBias: false))
      case "dora":
        var low = AddLowRank(
          target: target, a: made.operand(Name("a" + end.text), [1, 2], [1, last]),
          b: made.operand(Name("b" + end.text), [3, 1], [1, 2, 3]), scale: 1)
        low.magnitude = made.operand(Name("m" + end.text), [3], [1, 2, 3])
        try made.append(low)
      case "hadamard":
        func pair(_ stem: String) -> FactorPair {
          FactorPair(
            a: made.operand(Name(stem + "a" + end.text), [3, 1], [1, 2, 3]),
            b: made.operand(Name(stem + "b" + end.text), [1, 2], [1, last]))
        }
        try made.append(
          AddHadamard(target: Target(end), first: pair("1"), second: pair("2"), scale: 1))
      default:
        let u = made.operand(Name("u" + end.text), [2, 1], [1, last])
        try made.append(ReflectInput(target: Target(end), vectors: u, isOrthogonal: false))
      }
    }
    let same = try adapter { made in for end in ends { try deed(&made, end, 5) } }
    let alone = try adapter { try deed(&$0, ends[0], 5) }
    var free = HandMadeCheckpoint()
    free.add(ends[0], [3, 2], [1, 2, 3, 4, 5, 6])
    let view = try AdaptedCheckpoint(base, applying: same)
    #expect(view.changedNames == [ends[0]])
    let other = try TemporaryFolder()
    let untied = #"{"model_type":"llama","tie_word_embeddings":false}"#
    let expected = try AdaptedCheckpoint(free.write(to: other, config: untied), applying: alone)
    #expect(try values(view, ends[0]) == values(expected, ends[0]))
    let unlike = try adapter { made in
      try deed(&made, ends[0], 5)
      try deed(&made, ends[1], 6)
    }
    for adapter in [alone, unlike] {
      let error = #expect(throws: AdapterError.self) {
        try AdaptedCheckpoint(base, applying: adapter)
      }
      #expect(error?.kind == .tied)
    }
  }

  /// Rows on either end are for both ([BND-5]).
  @Test(arguments: ["model.embed_tokens.weight", "lm_head.weight"] as [Name])
  func rowsAreForBothEnds(_ end: Name) throws {
    let base = try base([("model.embed_tokens.weight", [3, 2])], config: Self.tied)
    let adapter = try adapter { made in
      try made.append(
        ReplaceRows(target: Target(end), rows: [1], values: made.operand("v", [1, 2], [7, 8])))
    }
    let view = try AdaptedCheckpoint(base, applying: adapter)
    #expect(try values(view, "model.embed_tokens.weight") == [1, 2, 7, 8, 5, 6])
  }

  /// One adapter resizes both ends of a tie; what another does to either is for the new size.
  @Test(arguments: ["model.embed_tokens.weight", "lm_head.weight"] as [Name])
  func aResizeOfATieIsSeenOnBothEnds(_ end: Name) throws {
    let ends: [Name] = ["model.embed_tokens.weight", "lm_head.weight"]
    let base = try base([(ends[0], [3, 2])], config: Self.tied)
    let resize = try adapter { made in
      let value = made.operand("v", [4, 2], [1, 1, 1, 1, 1, 1, 1, 1])
      for end in ends {
        try made.append(Replace(target: Target(end), value: value, canResize: true))
      }
    }
    let row = try adapter { made in
      try made.append(
        ReplaceRows(target: Target(end), rows: [3], values: made.operand("r", [1, 2], [7, 8])))
    }
    let view = try AdaptedCheckpoint(base, applying: [resize, row].map { WeightedAdapter($0) })
    #expect(try values(view, ends[0]) == [1, 1, 1, 1, 1, 1, 7, 8])
  }

  /// What was bound to a base binds to it again, tied ends included.
  @Test func whatIsBoundBindsAgain() throws {
    let base = try Checkpoint(Repository.base("tiny-gpt2-hub"))
    let embedding = try #require(base.tensor("wte.weight")).info.shape
    let plain = try adapter { made in
      let value = made.operand(
        "v", embedding.dimensions, Array(repeating: 0.5, count: embedding.count))
      for end in ["transformer.wte.weight", "lm_head.weight"] as [Name] {
        try made.append(Replace(target: Target(end), value: value, absent: .create))
      }
      let bias = made.operand("b", [96], Array(repeating: 1, count: 96))
      try made.append(
        Add(target: Target("transformer.h.0.attn.c_attn.bias"), delta: bias, scale: 1))
    }
    let bound = try BoundAdapter(plain, to: base)
    let again = try BoundAdapter(bound.adapter, to: base)
    #expect(again.tensors.map(\.info) == bound.tensors.map(\.info) && bound.tensors.count == 2)
  }

  /// A tensor whose digest is wrong is not compared with the base in silence ([STR-7]).
  @Test func whatIsComparedIsChecked() throws {
    let base = try base([("x.weight", [2, 2])])
    let own = try adapter { made in
      try made.append(
        Replace(target: Target("x.weight"), value: made.operand("v", [2, 2], [1, 2, 3, 4])))
    }
    let sink = MemorySink()
    try Adapter.write([own], to: sink)
    let file = try AdapterFile(MemoryBytes(sink.bytes))
    let right = try #require(file.manifest.adapters[0].streams[0].tensors.first).digest
    let text = String(decoding: try file.manifestText(), as: UTF8.self)
      .replacing(right.description, with: Digest(of: [1]).description)
    let payload = file.manifest.adapters[0].streams[0].storedByteCount
    let bytes = HandMade.file(
      manifest: text, payload: Array(sink.bytes[16..<16 + Int(payload)]))
    let damaged = try Adapter(AdapterFile(MemoryBytes(bytes)), index: 0)
    let error = #expect(throws: FormatError.self) {
      try AdaptedCheckpoint(base, applying: damaged)
    }
    #expect(error?.kind == "tensor")
  }

  // MARK: - What counts for nothing

  /// The base's own bytes are no change, whatever else is done, with any weight and on a tie.
  @Test func theBasesOwnBytesChangeNothing() throws {
    let base = try base([("model.embed_tokens.weight", [3, 2])], config: Self.tied)
    let own = try adapter { made in
      try made.append(
        Replace(
          target: Target("lm_head.weight"), value: made.operand("v", [3, 2], [1, 2, 3, 4, 5, 6])))
    }
    for weight in [1, 0.5, -3] {
      let view = try AdaptedCheckpoint(base, applying: [WeightedAdapter(own, weight: weight)])
      #expect(view.changedNames.isEmpty)
      #expect(!view.receipt.adapters[0].notes.isEmpty)
    }
  }

  /// An adapter of weight 0 is left out, whatever it holds ([STK-1]).
  @Test func weightZeroLeavesOutWhatCannotBeApplied() throws {
    let base = try base([("x.weight", [2, 2])])
    let plain = try adapter { try low(&$0, Target("x.weight", layout: .outIn), out: 2, in: 2) }
    let order = try adapter { made in
      try low(&made, Target("x.weight", layout: .outIn), out: 2, in: 2)
      try made.append(
        Replace(target: Target("x.weight"), value: made.operand("v", [2, 2], [9, 9, 9, 9])))
    }
    let elsewhere = try adapter { try low(&$0, Target("y.weight", layout: .outIn), out: 5, in: 7) }
    var future = plain
    future.operations = [
      try Operation(OperationRecord(op: "of_a_later_version", target: "x.weight", tensors: [])) {
        _ in nil
      }
    ]
    let alone = try AdaptedCheckpoint(base, applying: plain)
    for other in [order, elsewhere, future] {
      #expect(throws: AdapterError.self) {
        try AdaptedCheckpoint(base, applying: [plain, other].map { WeightedAdapter($0) })
      }
      let view = try AdaptedCheckpoint(
        base, applying: [WeightedAdapter(plain), WeightedAdapter(other, weight: 0)])
      #expect(try view.contents(of: "x.weight") == alone.contents(of: "x.weight"))
      #expect(view.adapters.count == 2 && view.receipt.adapters[1].changedCount == 0)
    }
  }

  /// What an adapter does to a parameter that one before it has resized is for the new shape ([STK-5]).
  @Test func afterAResizeTheNewShapeCounts() throws {
    let base = try base([("x.weight", [2, 2])])
    let resize = try adapter { made in
      let value = made.operand("v", [3, 2], [1, 1, 1, 1, 1, 1])
      try made.append(Replace(target: Target("x.weight"), value: value, canResize: true))
    }
    let target = Target("x.weight", layout: .outIn)
    let forNew = try adapter { try low(&$0, target, out: 3, in: 2) }
    let forOld = try adapter { try low(&$0, target, out: 2, in: 2) }
    let forBoth = try adapter { made in
      let vector = made.operand("v", [2], [2, 3])
      try made.append(Multiply(target: target, vector: vector, side: .input, scalesBias: false))
    }
    let row = try adapter { made in
      try made.append(
        ReplaceRows(
          target: Target("x.weight"), rows: [2], values: made.operand("r", [1, 2], [7, 8])))
    }
    func result(_ second: Adapter) throws -> [Double] {
      let view = try AdaptedCheckpoint(
        base, applying: [resize, second].map { WeightedAdapter($0) })
      return try values(view, "x.weight")
    }
    #expect(try result(forNew) == [2, 2, 2, 2, 2, 2])
    #expect(try result(row) == [1, 1, 1, 1, 7, 8])
    #expect(try result(forBoth) == [2, 3, 2, 3, 2, 3])
    let error = #expect(throws: AdapterError.self) { try result(forOld) }
    let (new, old) = (try #require(Shape([3, 2])), try #require(Shape([2, 2])))
    #expect((error?.cause as? StackConflict)?.kind == .shapes(new, old))
  }

  // MARK: - Results

  /// A restoration whose result is another is refused on any base ([BND-6]).
  @Test func aRestorationProvesItself() throws {
    let base = try base([("x.weight", [2, 2])])
    let shape = try #require(Shape([2, 2]))
    let info = TensorInfo(name: "z", type: .u32, shape: shape)
    let bytes = [UInt8](repeating: 0, count: 16)
    let before = try #require(base.tensor("x.weight")).contents()
    for (digest, goes) in [(Digest(of: before), true), (Digest(of: [1]), false)] {
      let operation = try Operation(
        Restore(target: Target("x.weight"), difference: TypedOperand(info), result: digest))
      let adapter = Adapter(
        name: "undo", method: "undo", operations: [operation], inert: [], source: nil, files: [],
        base: nil, tensors: [TensorContents(info, bytes: MemoryBytes(bytes), offset: 0)])
      let view = try AdaptedCheckpoint(base, applying: adapter)
      let merge = Merge(view)
      let target = folder.appending("merged-\(goes)")
      if goes {
        try merge.write(to: target, replacing: false)
      } else {
        #expect(throws: AdapterError.self) { try merge.write(to: target, replacing: false) }
        #expect(!target.exists)
      }
    }
  }
}

import AdapterFormat
import AdapterInterop
import AdapterRuntime
import Checkpoints
import Operations
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

extension Adapter {
  /// The same adapter without the record of where it came from: only its operations are left to write it from.
  fileprivate var withoutSource: Adapter {
    get throws {
      let contents = try tensors.map { info in
        TensorContents(info, bytes: MemoryBytes(try self.contents(of: info.name)), offset: 0)
      }
      return Adapter(
        name: name, method: method, operations: operations, inert: inert, source: nil, files: [],
        base: base, tensors: contents)
    }
  }

  /// What each operation does, with the values that it takes, whatever its tensors are called and however
  /// they are laid out.
  fileprivate var effects: Set<Effect> {
    get throws { Set(try operations.map { try Effect($0, of: self) }) }
  }
}

/// An operation with its operands' bytes in place of their names.
private struct Effect: Hashable {
  let record: OperationRecord
  let operands: [[UInt8]]

  init(_ operation: Operation, of adapter: Adapter) throws {
    var record = operation.record
    operands = try record.tensors.map { role in
      let bytes = try adapter.contents(of: role.operand.tensor)
      guard let window = role.operand.window else { return bytes }
      // The windows of these adapters are whole rows.
      let info = try #require(adapter.tensor(role.operand.tensor))
      let rowByteCount = bytes.count / max(1, info.shape.dimensions[0])
      return Array(bytes[window[0].lowerBound * rowByteCount..<window[0].upperBound * rowByteCount])
    }
    record.tensors = record.tensors.map { .init($0.role, Operand("operand")) }
    // How a weight is stored is for the base to say.
    record.attributes.removeAll { ["layout", "layout_from"].contains($0.key) }
    self.record = record
  }
}

extension PEFTCase {
  /// Whether PEFT's LoRA, IA3, prompt tuning or prefix tuning have a place for a case's operations.
  fileprivate enum Place {
    /// For all of them, bit for bit.
    case exact
    /// For all of them, when factors are multiplied into others.
    case rounded
    /// Not for all of them.
    case nowhere
  }

  fileprivate var place: Place {
    guard let operations = try? adapter().operations else {
      return .nowhere
    }
    let names = Set(operations.map(\.name))
    let places: [(main: String, others: Set<String>)] = [
      ("add_low_rank", ["add", "replace", "replace_rows"]), ("multiply", ["replace"]),
      ("prepend_embeddings", []), ("prepend_kv", []),
    ]
    let hasPlace = places.contains { place in
      names.contains(place.main) && names.subtracting([place.main]).isSubset(of: place.others)
    }
    guard hasPlace else { return .nowhere }
    let isScaled = operations.contains { operation in
      guard let low = operation.as(AddLowRank.self) else { return false }
      return low.diagonal != nil || low.rowScale != nil
    }
    return isScaled ? .rounded : .exact
  }
}

/// Adapters written from their operations alone.
@Suite struct ExportTests {
  private static let exact = PEFTCase.all.filter { $0.place == .exact }

  private func export(
    _ adapter: Adapter, to folder: TemporaryFolder
  ) throws -> (export: ForeignExport, adapter: Adapter) {
    let export = try Formats.peft.export(adapter)
    let target = folder.appending("out")
    try export.write(to: target, replacing: false)
    return (export, try PEFTImport(PEFTFolder(target)).adapter)
  }

  /// The folder means the same operations, of the same scales and bytes.
  @Test(arguments: exact)
  func theOperationsComeBack(_ fixture: PEFTCase) throws {
    let folder = try TemporaryFolder()
    let adapter = try fixture.adapter().withoutSource
    let (export, back) = try export(adapter, to: folder)
    #expect(export.losses.allSatisfy { $0.kind == .record })
    #expect(back.operations.count == adapter.operations.count)
    #expect(try back.effects == adapter.effects)
    // What the folder holds is all in use, and PEFT writes its files in the same way.
    let files = try SafetensorsFile(folder.appending("out/adapter_model.safetensors"))
    #expect(files.header.metadata == [.init("format", "pt")])
  }

  /// A base decides how weights are stored, and that changes nothing.
  @Test(arguments: exact.filter(\.isMergeable))
  func theOperationsComeBackFromAnAdapterThatKnowsItsBase(_ fixture: PEFTCase) throws {
    let folder = try TemporaryFolder()
    let plain = try fixture.adapter()
    let base = try Checkpoint(fixture.basePath)
    let choices = BindingChoices(missingBias: .create, ties: .untie)
    let adapter = try BoundAdapter(plain, to: base, choices: choices).recordingBase(base)
    let (_, back) = try export(adapter.withoutSource, to: folder)
    #expect(try back.effects == plain.effects)
  }

  /// A change of low rank with a diagonal is one of PEFT's LoRA, its diagonal multiplied in.
  @Test(arguments: ["llama_adalora", "gpt2_adalora"])
  func aDiagonalIsMultipliedIn(_ name: String) throws {
    let folder = try TemporaryFolder()
    let adapter = try PEFTImport(PEFTFolder(Repository.peft(name))).adapter.withoutSource
    let (export, back) = try export(adapter, to: folder)
    #expect(Set(export.losses.map(\.kind)) == [.rounding, .record])
    for low in adapter.operations.compactMap({ $0.as(AddLowRank.self) }) where low.rank > 0 {
      let twin = try #require(
        back.operations.compactMap { $0.as(AddLowRank.self) }.first {
          $0.target.name == low.target.name
        })
      let diagonal = floats(try adapter.contents(of: #require(low.diagonal).operand.tensor))
      let b = floats(try adapter.contents(of: low.b.operand.tensor))
      let products = zip(b.indices, b).map { $1 * diagonal[$0 % low.rank] }
      #expect(floats(try back.contents(of: twin.b.operand.tensor)) == products)
      #expect(
        try back.contents(of: twin.a.operand.tensor) == adapter.contents(of: low.a.operand.tensor))
      #expect(abs(twin.scale / low.scale - 1) <= 0x1p-52)
    }
    #expect(back.operations.count == adapter.operations.count - 1, "one module has rank 0")
  }

  private func floats(_ bytes: [UInt8]) -> [Float] {
    stride(from: 0, to: bytes.count, by: 4).map { start in
      Float(bitPattern: bytes[start..<start + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) })
    }
  }

  /// An old prefix of BLOOM has its keys and values in two halves; PEFT's are in turns now.
  @Test func aPrefixInHalvesIsPutInTurns() throws {
    let folder = try TemporaryFolder()
    let source = try folder.copy(Repository.peft("bloom_prefix"), to: "peft")
    try folder.edit("peft/adapter_config.json", #""peft_version": "0.21.2","#, "")
    let split = try PEFTImport(PEFTFolder(source), choices: .init(prefixOrder: .split)).adapter
    let (_, back) = try export(split.withoutSource, to: folder)
    let old = try #require(split.operations.first?.as(PrependKV.self))
    let new = try #require(back.operations.first?.as(PrependKV.self))
    let (before, after) = (
      try split.contents(of: old.values.operand.tensor),
      try back.contents(of: new.values.operand.tensor)
    )
    let width = old.headCount * old.headDimension * 4
    func slot(_ index: Int, _ token: Int, in bytes: [UInt8]) -> ArraySlice<UInt8> {
      let start = (token * 2 * old.slots.count + index) * width
      return bytes[start..<start + width]
    }
    #expect(new.slots == [.init(key: 0, value: 1), .init(key: 2, value: 3)])
    for (layer, token) in [(0, 0), (0, 2), (1, 0), (1, 2)] {
      let (was, isNow) = (old.slots[layer], new.slots[layer])
      #expect(slot(was.key, token, in: before) == slot(isNow.key, token, in: after))
      #expect(slot(was.value, token, in: before) == slot(isNow.value, token, in: after))
    }
  }

  /// The configuration goes back as it came only where it still says what the operations do.
  @Test func changedOperationsAreWrittenAndNotTheRecordedFiles() throws {
    let folder = try TemporaryFolder()
    var adapter = try PEFTImport(PEFTFolder(Repository.peft("gpt2_default"))).adapter
    adapter.operations = try adapter.operations.map { operation in
      guard var low = operation.as(AddLowRank.self) else { return operation }
      low.scale *= 3
      return try Operation(low)
    }
    let (export, back) = try export(adapter, to: folder)
    #expect(export.notes.count == 1 && export.notes[0].contains("recorded adapter_config.json"))
    #expect(try back.effects == adapter.effects)
  }
}

/// What PEFT's LoRA, IA3, prompt tuning and prefix tuning cannot say is refused, and nothing is written.
@Suite struct ExportRefusalTests {
  private static let others = PEFTCase.all.filter { $0.place == .nowhere }

  /// There is something of each kind to try.
  @Test func everyOperationThatPEFTHasIsTried() throws {
    let names = try Self.others.flatMap { fixture in
      try fixture.adapter().operations.map(\.name)
    }
    #expect(Set(names).count >= 16)
  }

  private func refusal(of adapter: Adapter) throws -> InteropError? {
    let folder = try TemporaryFolder()
    let export = try Formats.peft.export(adapter)
    let error = #expect(throws: InteropError.self) {
      try export.write(to: folder.appending("out"), replacing: false)
    }
    #expect(folder.names == [])
    return error
  }

  @Test(arguments: others)
  func everyOtherOperationIsNamed(_ fixture: PEFTCase) throws {
    let adapter = try fixture.adapter().withoutSource
    let error = try refusal(of: adapter)
    #expect(error?.kind == .notExpressible)
    guard case .operation(let name, let target) = error?.place else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(adapter.operations.contains { $0.name == name && $0.target?.name == target })
    #expect(error?.reason.isEmpty == false)
  }

  private func changed(
    _ name: String, _ change: (AddLowRank) -> AddLowRank
  ) throws -> Adapter {
    var adapter = try PEFTImport(PEFTFolder(Repository.peft(name))).adapter.withoutSource
    adapter.operations = try adapter.operations.map { operation in
      guard let low = operation.as(AddLowRank.self) else { return operation }
      return try Operation(change(low))
    }
    return adapter
  }

  @Test func twoChangesOfOneWeightAreNamed() throws {
    let adapter = try changed("llama_all") { low in
      var low = low
      low.target.name = "model.layers.0.mlp.up_proj.weight"
      return low
    }
    #expect(try refusal(of: adapter)?.reason.contains("combine them first") == true)
  }

  @Test func aMagnitudeHereAndNoneThereIsNamed() throws {
    let adapter = try changed("llama_dora") { low in
      var low = low
      if low.target.name.hasSuffix("q_proj.weight") { low.magnitude = nil }
      return low
    }
    #expect(try refusal(of: adapter)?.reason.contains("no magnitude") == true)
  }

  @Test func anAttentionWhoseOutputChangesOnceIsNamed() throws {
    let adapter = try changed("mha_lora") { low in
      var low = low
      low.scale = 2
      return low
    }
    #expect(try refusal(of: adapter)?.reason.contains("both of an attention's") == true)
  }

  @Test func aScaledWeightWithoutItsBiasIsNamed() throws {
    var adapter = try PEFTImport(PEFTFolder(Repository.peft("llama_ia3"))).adapter.withoutSource
    adapter.operations = try adapter.operations.map { operation in
      guard var change = operation.as(Multiply.self) else { return operation }
      change.scalesBias = false
      return try Operation(change)
    }
    let error = try refusal(of: adapter)
    #expect(error?.place == .operation("multiply", on: "model.layers.0.self_attn.k_proj.weight"))
    #expect(error?.reason.contains("bias") == true)
  }

  @Test func aReplacementAfterAChangeIsNamed() throws {
    var adapter = try PEFTImport(PEFTFolder(Repository.peft("llama_head"))).adapter.withoutSource
    adapter.operations.reverse()
    let error = try refusal(of: adapter)
    #expect(error?.place == .operation("replace", on: "lm_head.weight"))
  }
}

/// Numbers of PEFT's whose quotient is a scale.
@Suite struct ExportNumberTests {
  /// Ranks and scales that differ, on modules whose names end alike.
  @Test func everyModuleHasItsOwnNumbers() throws {
    let folder = try TemporaryFolder()
    let modules: [(Name, Int, Double)] = [
      ("a.b", 3, 0.1), ("x.a.b", 5, 0.7), ("y.x.a.b", 3, 0.1), ("a+b", 1, 1e-30), ("a.c", 3, 1e30),
    ]
    var operations: [Operation] = []
    var tensors: [TensorContents] = []
    for (index, (module, rank, scale)) in modules.enumerated() {
      let a = TensorInfo(
        name: Name("t\(index).a"), type: .bf16, shape: try #require(Shape([UInt64(rank), 4])))
      let b = TensorInfo(
        name: Name("t\(index).b"), type: .bf16, shape: try #require(Shape([6, UInt64(rank)])))
      for info in [a, b] {
        tensors.append(
          TensorContents(
            info, bytes: MemoryBytes((0..<info.byteCount).map { UInt8($0 % 100) }), offset: 0))
      }
      operations.append(
        try Operation(
          AddLowRank(
            target: Target(Name("\(module).weight"), layout: .outIn), a: TypedOperand(a),
            b: TypedOperand(b), scale: scale)))
    }
    let adapter = Adapter(
      name: "made", method: "lora", operations: operations, inert: [], source: nil, files: [],
      base: nil, tensors: tensors)
    let export = try Formats.peft.export(adapter)
    try export.write(to: folder.appending("out"), replacing: false)
    let back = try PEFTImport(PEFTFolder(folder.appending("out"))).adapter
    for low in back.operations.compactMap({ $0.as(AddLowRank.self) }) {
      let module = try #require(modules.first { "\($0.0).weight" == low.target.name.text })
      #expect(low.rank == module.1)
      #expect(abs(low.scale / module.2 - 1) <= 0x1p-52)
    }
    #expect(back.operations.count == modules.count)
  }
}

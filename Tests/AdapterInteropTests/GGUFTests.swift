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

/// GGUF adapters against those of llama.cpp's own converter, which `Fixtures/makers/gguf_adapters.py` keeps.
@Suite struct GGUFTests {
  /// A LoRA of PEFT, the base that it is for, and what llama.cpp's converter makes of it.
  struct Case: CustomStringConvertible {
    let name: String
    let base: String
    /// What the values may differ by: nothing, or the rounding to the type that the file has.
    var tolerance = 0.0

    var description: String { name }
    var folder: FilePath { Repository.fixtures.appending("gguf").appending(name) }
    var peer: FilePath { folder.appending("adapter.gguf") }

    func checkpoint() throws -> Checkpoint { try Checkpoint(Repository.base(base)) }

    func read(_ path: FilePath) throws -> Adapter {
      var choices = ImportChoices()
      choices.base = try checkpoint()
      return try Formats.gguf.read(ForeignSource(path), choices).adapter
    }
  }

  static let cases = [
    Case(name: "llama", base: "run-llama"),
    Case(name: "llama_f16", base: "run-llama", tolerance: 4e-3),
    Case(name: "qwen2", base: "run-qwen2"), Case(name: "bloom", base: "run-bloom"),
  ]

  /// What llama.cpp's file does to the base is what PEFT's does.
  @Test(arguments: cases) func theirFileDoesWhatPEFTsDoes(_ fixture: Case) throws {
    let theirs = try fixture.read(fixture.peer)
    let peft = try PEFTImport(PEFTFolder(fixture.folder)).adapter
    try expectEqualMerges(theirs, peft, fixture)
  }

  /// What is written for llama.cpp has the tensors that its own converter writes, and the same alpha.
  @Test(arguments: cases.filter { $0.tolerance == 0 })
  func ourFileIsTheirs(_ fixture: Case) throws {
    let folder = try TemporaryFolder()
    let ours = try export(PEFTImport(PEFTFolder(fixture.folder)).adapter, fixture, folder)
    let (mine, theirs) = (try GGUFFile(ours), try GGUFFile(fixture.peer))
    #expect(mine.tensors == theirs.tensors)
    #expect(mine.tensors.count >= 4)
    for entry in ["adapter.lora.alpha", "general.architecture", "adapter.type", "general.type"] {
      #expect(mine.entries[entry] == theirs.entries[entry], "\(entry)")
    }
  }

  /// Scales of rsLoRA and of patterns, of which GGUF has one for the file, come back in effect.
  @Test(arguments: ["llama_all", "llama_rslora", "llama_rslora_patterns", "llama_patterns"])
  func everyScaleComesBack(_ name: String) throws {
    let fixture = Case(name: name, base: "tiny-llama-f32", tolerance: 1e-6)
    let folder = try TemporaryFolder()
    let adapter = try PEFTImport(PEFTFolder(Repository.peft(name))).adapter
    try expectEqualMerges(fixture.read(export(adapter, fixture, folder)), adapter, fixture)
  }

  /// Stacks of experts, which PEFT has as one parameter and the base expert by expert.
  @Test(arguments: ["mixtral_experts", "mixtral_down"])
  func expertsComeBack(_ name: String) throws {
    let fixture = Case(name: name, base: "tiny-mixtral", tolerance: 1e-6)
    let folder = try TemporaryFolder()
    let adapter = try PEFTImport(PEFTFolder(Repository.peft(name))).adapter
    try expectEqualMerges(fixture.read(export(adapter, fixture, folder)), adapter, fixture)
  }

  /// Changes of single experts, of gate and up with an A each, come back as changes of what transformers stacks.
  @Test(arguments: [["w1"], ["w3"], ["w2"], ["w1", "w3"], ["w1", "w3", "w2"]])
  func expertsWithTheirOwnFactorsComeBack(_ leaves: [String]) throws {
    let fixture = Case(name: "experts", base: "tiny-mixtral", tolerance: 1e-6)
    let folder = try TemporaryFolder()
    var made = HandMadeAdapter()
    var seed: Float = 0
    func values(_ count: Int) -> [Float] {
      (0..<count).map { _ in
        seed += 1
        return (seed * 0.37).remainder(dividingBy: 1)
      }
    }
    for leaf in leaves {
      let (output, input) = leaf == "w2" ? (8, 12) : (12, 8)
      for expert in 0..<4 {
        let stem = "model.layers.0.block_sparse_moe.experts.\(expert).\(leaf)"
        try made.append(
          AddLowRank(
            target: Target(Name("\(stem).weight"), layout: .outIn),
            a: made.operand(Name("\(stem).a"), [2, input], values(2 * input)),
            b: made.operand(Name("\(stem).b"), [output, 2], values(2 * output)), scale: 1.5))
      }
    }
    let read = try fixture.read(export(made.adapter, fixture, folder))
    // Of a half of what is stacked there is no change of the stack that leaves the other half alone.
    let isWhole = leaves.contains("w1") == leaves.contains("w3")
    #expect(
      read.operations.allSatisfy { operation in
        operation.target?.name.text.hasPrefix("model.layers.0.mlp.experts.") == isWhole
      })
    try expectEqualMerges(read, made.adapter, fixture)
  }

  /// Without a base it can be looked at, under llama.cpp's names.
  @Test func itIsSeenWithoutABase() throws {
    let fixture = Self.cases[0]
    var choices = ImportChoices()
    choices.keepsForeignNames = true
    let adapter = try Formats.gguf.read(ForeignSource(fixture.peer), choices).adapter
    let names = try GGUFFile(fixture.peer).tensors.keys.filter { $0.hasSuffix(".lora_a") }
    #expect(
      Set(adapter.operations.compactMap { $0.target?.name.text })
        == Set(names.map { String($0.dropLast(".lora_a".count)) }))
    #expect(try adapter.operations.count == fixture.read(fixture.peer).operations.count)
  }

  @Test(arguments: [
    ("llama_dora", "tiny-llama-16", "magnitude"),
    ("llama_ia3", "tiny-llama", "low-rank changes alone"),
    ("llama_saved_head", "tiny-llama-16", "low-rank changes alone"),
    ("llama_prefix", "tiny-llama-16", "low-rank changes alone"),
  ])
  func whatHasNoPlaceIsRefused(_ name: String, _ base: String, _ reason: String) throws {
    let folder = try TemporaryFolder()
    let adapter = try PEFTImport(PEFTFolder(Repository.peft(name))).adapter
    let error = #expect(throws: InteropError.self) {
      _ = try export(adapter, Case(name: name, base: base), folder)
    }
    #expect(error?.kind == .notExpressible && error?.reason.contains(reason) == true)
    #expect(folder.names == [])
  }

  /// A base of another architecture, of other heads, and none.
  @Test func anotherBaseIsRefused() throws {
    let peer = Self.cases[0].peer
    for (base, reason) in [
      ("run-qwen2", "architecture"), ("run-smol", "the base has"), ("tiny-llama", "the base has"),
    ] {
      let error = #expect(throws: InteropError.self) {
        _ = try Case(name: "llama", base: base).read(peer)
      }
      #expect(error?.reason.contains(reason) == true, "\(base): \(String(describing: error))")
    }
    let error = #expect(throws: InteropError.self) {
      _ = try Formats.gguf.read(ForeignSource(peer), ImportChoices())
    }
    #expect(error?.kind == .undecided(.base))
  }

  /// Every beginning of a file is refused, and no byte that is another brings the reader down.
  @Test func damageIsAnError() throws {
    let fixture = Self.cases[0]
    let whole = try fixture.peer.contents
    let folder = try TemporaryFolder()
    let path = folder.appending("x.gguf")
    for count in stride(from: 4, to: whole.count, by: 3) {
      try folder.write(Array(whole[..<count]), to: "x.gguf")
      #expect(throws: (any Error).self, "\(count)") { _ = try fixture.read(path) }
    }
    for place in whole.indices {
      for value in [0, 0xFF, whole[place] ^ 0x80, whole[place] ^ 1] {
        var bytes = whole
        bytes[place] = value
        try folder.write(bytes, to: "x.gguf")
        _ = try? fixture.read(path)
      }
    }
  }

  private func export(
    _ adapter: Adapter, _ fixture: Case, _ folder: borrowing TemporaryFolder
  ) throws -> FilePath {
    let path = folder.appending("out.gguf")
    let export = try Formats.gguf.export(adapter, ExportChoices(base: fixture.checkpoint()))
    try export.write(to: path, replacing: false)
    return path
  }

  private func expectEqualMerges(
    _ left: Adapter, _ right: Adapter, _ fixture: Case
  ) throws {
    let base = try fixture.checkpoint()
    try ForeignMerge(left, on: base).expect(
      ForeignMerge(right, on: base), tolerance: fixture.tolerance)
  }
}

/// A GGUF file read by the letter of its description, for values of the types that adapters have.
private struct GGUFFile {
  private(set) var entries: [String: [UInt8]] = [:]
  private(set) var tensors: [String: Tensor] = [:]

  struct Tensor: Equatable {
    let dimensions: [Int]
    let type: Int
    let bytes: [UInt8]
  }

  init(_ path: FilePath) throws {
    let bytes = try path.contents
    var position = 8
    func integer(_ count: Int) -> Int {
      defer { position += count }
      return bytes[position..<position + count].reversed().reduce(0) { $0 << 8 | Int($1) }
    }
    func text() -> String {
      let count = integer(8)
      defer { position += count }
      return String(decoding: bytes[position..<position + count], as: UTF8.self)
    }
    let (tensorCount, entryCount) = (integer(8), integer(8))
    for _ in 0..<entryCount {
      let (key, type) = (text(), integer(4))
      let start = position
      switch type {
      case 8: _ = text()
      case 4, 6: position += 4
      default: Issue.record("a value of type \(type)")
      }
      entries[key] = Array(bytes[start..<position])
    }
    var places: [(String, [Int], Int, Int)] = []
    for _ in 0..<tensorCount {
      let name = text()
      let dimensions = (0..<integer(4)).map { _ in integer(8) }
      places.append((name, dimensions, integer(4), integer(8)))
    }
    let data = (position + 31) / 32 * 32
    for (name, dimensions, type, offset) in places {
      let count = dimensions.reduce(1, *) * (type == 0 ? 4 : 2)
      tensors[name] = Tensor(
        dimensions: dimensions, type: type,
        bytes: Array(bytes[data + offset..<data + offset + count]))
    }
  }
}

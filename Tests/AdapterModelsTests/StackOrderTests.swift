import AdapterModels
import AdapterInterop
import AdapterRuntime
import Operations
import Checkpoints
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// Stacks on one weight: what runs is what a merge of the same stack makes.
@Suite struct StackOrderTests {
  private static let ids: [Int32] = [3, 1, 4, 1, 5, 9, 2, 6]

  private static func logits(_ model: LanguageModel, _ stack: AdapterStack? = nil) throws -> [Float]
  {
    try model.logits(after: [.init(DecodingSequence(model, with: stack), ids)], at: .all)[0]
  }

  private static let runnable = StackCase.all.filter {
    ["tiny-llama-16", "tiny-llama-f32", "tiny-gpt2-16"].contains($0.base)
  }

  /// The results of the stacks are numpy's, in float64.
  @Test(arguments: runnable)
  func unmergedStacksAreTheReferences(_ fixture: StackCase) throws {
    let base = try Checkpoint(fixture.basePath)
    let stack = try fixture.adapters.map { path, weight in
      let folder = Repository.fixtures.pushing(FilePath(path))
      return WeightedAdapter(try adapter(at: folder, for: base), weight: weight)
    }
    let (model, running) = try RunPlan(stack, on: base).load()
    let reference = try Checkpoint(fixture.reference)
    var made = HandMadeCheckpoint()
    for tensor in base.tensors {
      let name = tensor.info.name
      if let result = reference.tensor(name) {
        let bytes = try result.contents()
        made.add(name, result.info.shape.dimensions, Self.narrowed(bytes))
      } else {
        let bytes = try tensor.contents()
        made.add(name, tensor.info.type, tensor.info.shape.dimensions, bytes)
      }
    }
    let folder = try TemporaryFolder()
    let config = String(decoding: try base.configPath.contents, as: UTF8.self)
    let merged = try LanguageModel(made.write(to: folder, config: config))
    let expected = try Self.logits(merged)
    let largest = expected.reduce(0) { max($0, abs($1)) }
    #expect(distance(try Self.logits(model, running), expected) <= 1e-4 * max(1, largest))
  }

  private static func narrowed(_ bytes: [UInt8]) -> [Float] {
    stride(from: 0, to: bytes.count, by: 8).map { start in
      Float(
        Double(
          bitPattern: bytes[start..<start + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }))
    }
  }

  /// A rotation has to be folded into its weight, and takes what stands before and after it along.
  @Test(arguments: [
    ["llama_dora", "oft_llama"], ["oft_llama", "llama_dora"], ["llama_dora", "loha_llama"],
    ["llama_ia3", "loha_llama"],
  ])
  func foldedAndBesideKeepTheirOrder(_ names: [String]) throws {
    let base = try Checkpoint(Repository.base("tiny-llama-16"))
    let stack = try names.map {
      WeightedAdapter(try PEFTImport(PEFTFolder(Repository.peft($0))).adapter)
    }
    let plan = try RunPlan(stack, on: base)
    let folded = Set(plan.folded.flatMap { $0.adapter.operations.compactMap(\.target?.name) })
    let beside = Set(plan.beside.flatMap { $0.adapter.operations.compactMap(\.target?.name) })
    #expect(!folded.isEmpty && folded.isDisjoint(with: beside))
    let (model, running) = try plan.load()
    let merged = try LanguageModel(AdaptedCheckpoint(base, applying: stack))
    #expect(distance(try Self.logits(model, running), try Self.logits(merged)) <= 1e-4)
  }

  @Test func whatAMergeRefusesIsRefused() throws {
    let base = try Checkpoint(Repository.base("tiny-llama-16"))
    let twice = try ["oft_llama", "boft_llama"].map {
      WeightedAdapter(try PEFTImport(PEFTFolder(Repository.peft($0))).adapter)
    }
    #expect(throws: AdapterError.self) { try RunPlan(twice, on: base) }
  }

  /// A classifier's head is no part of what runs.
  @Test func aChangeThatRunningDoesNotUseIsRefused() throws {
    let base = try Checkpoint(Repository.base("tiny-gpt2-16"))
    let adapter = try PEFTImport(PEFTFolder(Repository.peft("gpt2_seq_cls"))).adapter
    let error = #expect(throws: AdapterError.self) { try RunPlan(adapter, on: base).load() }
    #expect(error?.description.contains("score") == true, "\(String(describing: error))")
  }
}

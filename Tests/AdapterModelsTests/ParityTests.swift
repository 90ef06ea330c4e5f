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

/// Running beside the weights gives PEFT's logits and PEFT's tokens.
@Suite struct ParityTests {
  private static let tolerance: Float = 1e-4

  @Test(arguments: RunningCase.all)
  func logitsAreThoseOfPEFT(_ fixture: RunningCase) throws {
    let (model, stack) = try fixture.load()
    for reference in try fixture.reference() {
      let sequence = try DecodingSequence(model, with: stack)
      let logits = try model.logits(after: [.init(sequence, reference.ids)], at: .all)[0]
      #expect(distance(logits, reference.logits) <= Self.tolerance)
    }
  }

  @Test(arguments: RunningCase.all)
  func greedyTokensAreThoseOfPEFT(_ fixture: RunningCase) throws {
    let (model, stack) = try fixture.load()
    for reference in try fixture.reference() {
      let generation = try Generation(
        model, prompt: reference.ids, with: stack,
        options: .init(maximumCount: reference.greedy.count, endTokens: []))
      var tokens: [Int32] = []
      while let token = try generation.next() { tokens.append(token) }
      #expect(tokens == reference.greedy)
    }
  }

  /// In a batch of three texts of different lengths each gives what it gives alone, token by token too.
  @Test(arguments: RunningCase.all)
  func aBatchChangesNothing(_ fixture: RunningCase) throws {
    let (model, stack) = try fixture.load()
    let references = try fixture.reference()
    let sequences = try references.map { _ in try DecodingSequence(model, with: stack) }
    let all = try model.logits(
      after: zip(sequences, references).map { .init($0, $1.ids) }, at: .all)
    for (logits, reference) in zip(all, references) {
      #expect(distance(logits, reference.logits) <= Self.tolerance)
    }
    // The same text in three pieces.
    let text = references[2]
    let pieces = try DecodingSequence(model, with: stack)
    var logits: [Float] = []
    for range in [0..<1, 1..<8, 8..<text.ids.count] {
      logits += try model.logits(after: [.init(pieces, Array(text.ids[range]))], at: .all)[0]
    }
    #expect(distance(logits, text.logits) <= Self.tolerance)
  }

  /// Every family's sequences in one batch, each with its own adapter.
  @Test(arguments: [
    "run-gpt2", "run-bloom", "run-llama", "run-qwen2", "run-smol", "run-mistral", "run-qwen3",
    "run-gemma2", "run-gemma3", "run-phi3",
  ])
  func oneBatchHasManyAdapters(_ base: String) throws {
    let checkpoint = try Checkpoint(Repository.base(base))
    let model = try LanguageModel(checkpoint)
    var steps: [LanguageModel.Step] = []
    var expected: [[Float]] = []
    for fixture in RunningCase.all where fixture.base == base && fixture.method != "combined" {
      var entries: [AdapterStack.Entry] = []
      for (name, weight) in fixture.adapters {
        let adapter = try RunningCase.adapter(name, on: checkpoint)
        let plan = try RunPlan(adapter, on: checkpoint, policy: Loaded.policy)
        guard plan.folded.isEmpty else { continue }
        entries.append(.init(try PreparedAdapter(adapter, for: model), weight: weight))
      }
      guard entries.count == fixture.adapters.count else { continue }
      let stack = try AdapterStack(entries, for: model)
      for reference in try fixture.reference() {
        steps.append(.init(try DecodingSequence(model, with: stack), reference.ids))
        expected.append(reference.logits)
      }
    }
    #expect(steps.count >= 15)
    for (logits, reference) in zip(try model.logits(after: steps, at: .all), expected) {
      #expect(distance(logits, reference) <= Self.tolerance)
    }
  }
}

/// The forms of LoRA and the other methods whose references are made for merging, too.
@Suite struct NeighbourParityTests {
  private static let cases = PEFTCase.all.filter { fixture in
    let bases = ["tiny-gpt2-16", "tiny-bias", "tiny-bloom"]
    return (bases.contains(fixture.base) || fixture.base.hasPrefix("tiny-llama"))
      && !["gpt2_seq_cls", "llama_resized"].contains(fixture.name)
      && FileStatus(of: fixture.path.appending("logits.safetensors")) != nil
  }

  @Test(arguments: cases)
  func logitsAreThoseOfPEFT(_ fixture: PEFTCase) throws {
    let checkpoint = try Checkpoint(fixture.basePath)
    let adapter = try fixture.adapter()
    let (model, stack) = try Loaded.load(checkpoint, [(adapter, 1)])
    let file = try Checkpoint(fixture.path.appending("logits.safetensors"))
    let count = file.names.filter { $0.text.hasPrefix("input_ids") }.count
    #expect(count > 0)
    for index in 0..<count {
      let ids = try file.integers("input_ids.\(index)")
      let expected = try file.floats("logits.\(index)")
      let logits = try model.logits(
        after: [.init(DecodingSequence(model, with: stack), ids)], at: .all)[0]
      let text = Array(expected.suffix(logits.count))
      let largest = text.reduce(0) { max($0, abs($1)) }
      #expect(distance(logits, text) <= 1e-4 * max(1, largest))
    }
  }
}

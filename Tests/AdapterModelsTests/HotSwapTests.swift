import Operations
import AdapterModels
import AdapterRuntime
import Checkpoints
import StrictJSON
import Synchronization
import TestSupport
import Testing

/// Adapters that come and go while sequences run.
@Suite struct HotSwapTests {
  private let checkpoint: Checkpoint
  private let model: LanguageModel
  private let lora: PreparedAdapter
  private let ids: [Int32] = [3, 1, 4, 1, 5, 9, 2, 6]

  init() throws {
    checkpoint = try Checkpoint(Repository.base("run-llama"))
    model = try LanguageModel(checkpoint)
    lora = try PreparedAdapter(RunningCase.adapter("llama_lora", on: checkpoint), for: model)
  }

  private func logits(_ stack: AdapterStack?) throws -> [Float] {
    try model.logits(after: [.init(DecodingSequence(model, with: stack), ids)])[0]
  }

  private func stack(_ weight: Double) throws -> AdapterStack {
    try AdapterStack([.init(lora, weight: weight)], for: model)
  }

  @Test func attachingAndDetachingLeavesTheBaseAsItWas() throws {
    let rack = AdapterRack(model)
    let before = try logits(rack.stack)
    try rack.attach(lora)
    let with = try logits(rack.stack)
    #expect(with == (try logits(stack(1))))
    #expect(distance(before, with) > 0.1)
    try rack.reweight(lora.name, to: 0.5)
    #expect(try logits(rack.stack) == logits(stack(0.5)))
    try rack.detach(lora.name)
    #expect(try logits(rack.stack) == before)
  }

  /// Many readers, one writer that never rests: every answer is that of one of the two states, never of
  /// something between them.
  @Test func readersNeverSeeHalfASwap() async throws {
    let rack = AdapterRack(model)
    let (without, with) = (try logits(nil), try logits(stack(1)))
    #expect(without != with)
    let (rackOfAll, adapter, model, ids) = (rack, lora, model, ids)
    try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<8 {
        group.addTask {
          var strange = 0
          for _ in 0..<60 {
            let sequence = try DecodingSequence(model, with: rackOfAll.stack)
            let answer = try model.logits(after: [.init(sequence, ids)])[0]
            if answer != without && answer != with { strange += 1 }
          }
          return strange
        }
      }
      group.addTask {
        while !Task.isCancelled {
          try rackOfAll.attach(adapter)
          try rackOfAll.detach(adapter.name)
          await Task.yield()
        }
        return 0
      }
      for _ in 0..<8 {
        let strange = try await group.next()
        #expect(strange == 0)
      }
      group.cancelAll()
    }
  }

  @Test func aSequenceKeepsTheAdaptersItBeganWith() throws {
    let rack = AdapterRack(model)
    try rack.attach(lora)
    let sequence = try DecodingSequence(model, with: rack.stack)
    var answer = try model.logits(after: [.init(sequence, Array(ids[..<4]))])[0]
    try rack.detach(lora.name)
    answer = try model.logits(after: [.init(sequence, Array(ids[4...]))])[0]
    #expect(distance(answer, try logits(stack(1))) <= 1e-4)
  }

  @Test func whatDoesNotGoTogetherIsRefusedAndNothingChanges() throws {
    let rack = AdapterRack(model)
    let prompt = try PreparedAdapter(
      RunningCase.adapter("llama_prompt", on: checkpoint), for: model)
    let prefix = try PreparedAdapter(
      RunningCase.adapter("llama_prefix", on: checkpoint), for: model)
    try rack.attach(prompt)
    #expect(throws: AdapterError.self) {
      try AdapterStack([.init(prompt), .init(prefix)], for: model)
    }
    #expect(throws: AdapterError.self) { try rack.reweight(prompt.name, to: 0.5) }
    #expect(rack.stack.entries.map(\.weight) == [1])
    #expect(throws: AdapterError.self) { try AdapterStack([.init(lora, weight: .nan)], for: model) }
  }

  /// Least recently used goes first, memory stays below the limit, and what was evicted comes back.
  @Test func theCacheKeepsToItsLimit() throws {
    let names = ["llama_lora", "llama_ia3", "llama_dora", "llama_prompt", "llama_prefix"]
    let sizes = try names.map { name in
      try PreparedAdapter(RunningCase.adapter(name, on: checkpoint), for: model).byteCount
    }
    let limit = sizes.reduce(0, +) - 1
    let cache = AdapterCache<String>(byteLimit: limit)
    let loads = Mutex<[String]>([])
    func use(_ name: String) throws {
      _ = try cache.adapter(for: name) { () throws in
        loads.withLock { $0.append(name) }
        return try PreparedAdapter(RunningCase.adapter(name, on: checkpoint), for: model)
      }
    }
    for name in names { try use(name) }
    #expect(cache.byteCount <= limit && cache.count == 4)
    try use("llama_ia3")
    #expect(loads.withLock(\.count) == 5)
    try use("llama_lora")
    #expect(loads.withLock { $0.last } == "llama_lora" && cache.byteCount <= limit)
    try use("llama_ia3")
    #expect(loads.withLock(\.count) == 6)
  }
}

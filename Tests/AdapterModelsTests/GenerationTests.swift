import AdapterModels
import AdapterInterop
import AdapterRuntime
import Checkpoints
import Storage
import StrictJSON
import TestSupport
import Testing

/// What sequences are given, and how their next tokens are chosen.
@Suite struct GenerationTests {
  private let model: LanguageModel

  init() throws {
    model = try LanguageModel(Checkpoint(Repository.base("run-llama")))
  }

  private func error(_ body: () throws -> Void) -> String {
    do {
      try body()
      return "none"
    } catch { return "\(error)" }
  }

  @Test func inputsAreChecked() throws {
    let sequence = try DecodingSequence(model)
    func run(_ tokens: [Int32]) -> String {
      error { _ = try model.logits(after: [.init(sequence, tokens)]) }
    }
    #expect(run([]) == "there is no token to begin with")
    #expect(run([64]) == "there is no token 64: the model has 64")
    #expect(run([-1]) == "there is no token -1: the model has 64")
    let long = Array(repeating: 1 as Int32, count: 65)
    #expect(run(long) == "65 tokens, and the model has 64 positions")
    #expect(error { _ = try Generation(model, prompt: long) } == run(long))
    #expect(
      error { _ = try model.logits(after: [.init(sequence, [1]), .init(sequence, [2])]) }
        == "a sequence is in the batch twice")
    #expect(sequence.tokenCount == 0)
    #expect(try model.logits(after: []).isEmpty)
  }

  @Test func whatBelongsToAnotherModelIsRefused() throws {
    let checkpoint = try Checkpoint(Repository.base("run-llama"))
    let other = try LanguageModel(checkpoint)
    let adapter = try PreparedAdapter(RunningCase.adapter("llama_lora", on: checkpoint), for: other)
    let stack = try AdapterStack([.init(adapter)], for: other)
    let foreign = try DecodingSequence(other)
    #expect(error { _ = try AdapterStack([.init(adapter)], for: model) }.contains("another model"))
    #expect(error { try AdapterRack(model).attach(adapter) }.contains("another model"))
    #expect(error { _ = try DecodingSequence(model, with: stack) }.contains("another model"))
    #expect(
      error { _ = try model.logits(after: [.init(foreign, [1])]) }.contains("another model"))
  }

  /// A prompt that goes on with all of an earlier text is not run again; any other one is, and so is one with other
  /// adapters.
  @Test func anEarlierTextIsNotRunAgain() throws {
    func begin(
      _ prompt: [Int32], _ stack: AdapterStack? = nil, after other: Generation? = nil
    ) throws -> Generation {
      try Generation(
        model, prompt: prompt, with: stack, options: .init(maximumCount: 4, endTokens: []),
        after: other)
    }
    func said(_ generation: Generation) throws -> [Int32] {
      var tokens: [Int32] = []
      while let token = try generation.next() { tokens.append(token) }
      return tokens
    }
    let first = try begin([1, 2, 3])
    let prompt = try [1, 2, 3] + said(first) + [5, 6]
    let fresh = try begin(prompt)
    let next = try begin(prompt, after: first)
    // The last token of the answer was chosen, and not run.
    #expect(fresh.knownCount == 0 && next.knownCount == 6)
    #expect(zip(fresh.logits, next.logits).allSatisfy { abs($0 - $1) < 1e-4 })
    #expect(try said(next) == said(fresh))
    #expect(try begin(prompt, after: first).knownCount == 0, "its sequence is that of another now")
    #expect(try begin([1, 2, 4, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3], after: next).knownCount == 0)
    let adapter = try PreparedAdapter(
      RunningCase.adapter("llama_lora", on: model.checkpoint), for: model)
    let whole = try AdapterStack([.init(adapter)], for: model)
    let half = try AdapterStack([.init(adapter, weight: 0.5)], for: model)
    let adapted = try begin([1, 2, 3], whole)
    #expect(try begin([1, 2, 3, 4], half, after: adapted).knownCount == 0)
    #expect(try begin([1, 2, 3, 4], after: adapted).knownCount == 0)
    #expect(try begin([1, 2, 3, 4], whole, after: adapted).knownCount == 3)
  }

  @Test func aTextEndsWithThePositions() throws {
    let generation = try Generation(
      model, prompt: [1, 2, 3], options: .init(maximumCount: 1000, endTokens: []))
    var count = 0
    while try generation.next() != nil { count += 1 }
    #expect(count == 62 && generation.end == .positions)
    let short = try Generation(model, prompt: [1], options: .init(maximumCount: 2, endTokens: []))
    _ = (try short.next(), try short.next())
    #expect(try short.next() == nil && short.end == .count)
    let likeliest = try #require(try Generation(model, prompt: [1]).next())
    let ended = try Generation(model, prompt: [1], options: .init(endTokens: [likeliest]))
    #expect(try ended.next() == nil && ended.end == .endToken)
  }

  /// A pass that fails leaves its sequences as they were.
  @Test func logitsThatAreNotFiniteAreAnError() throws {
    var made = HandMadeCheckpoint()
    let base = try Checkpoint(Repository.base("run-llama"))
    for tensor in base.tensors {
      var bytes = try tensor.contents()
      // The embedding of token 9.
      if tensor.info.name == "model.embed_tokens.weight" {
        bytes.replaceSubrange(9 * 96..<9 * 96 + 4, with: HandMadeCheckpoint.bytes([.nan]))
      }
      made.add(tensor.info.name, .f32, tensor.info.shape.dimensions, bytes)
    }
    let folder = try TemporaryFolder()
    let config = String(decoding: try base.configPath.contents, as: UTF8.self)
    let model = try LanguageModel(made.write(to: folder, config: config))
    let (good, bad) = (try DecodingSequence(model), try DecodingSequence(model))
    let expected = try model.logits(after: [.init(DecodingSequence(model), [4, 5])])
    #expect(
      error { _ = try model.logits(after: [.init(good, [4, 5]), .init(bad, [1, 9])]) }
        == "the logits after position 1 are not finite")
    #expect(
      error { _ = try model.logits(after: [.init(bad, [1, 2, 9, 3])], at: .all) }
        == "the logits after position 2 are not finite")
    #expect(good.tokenCount == 0 && bad.tokenCount == 0)
    #expect(try model.logits(after: [.init(good, [4, 5])]) == expected)
  }

  // MARK: - Sampling

  private static let logits: [Float] = [1, 3, 2, 0, 3]

  private func counts(_ sampler: Sampler, _ draws: Int) -> [Int] {
    var sampler = sampler
    var counts = [0, 0, 0, 0, 0]
    for _ in 0..<draws { counts[Int(sampler.next(Self.logits))] += 1 }
    return counts
  }

  @Test func tokensComeAsOftenAsTheirShareSays() {
    #expect(counts(Sampler(), 3) == [0, 3, 0, 0, 0])
    // e^(x / 2) / Σ: 0.0977, 0.2655, 0.1610, 0.0592, 0.2655 of 0.8489…
    let weights = Self.logits.map { Self.exponential(Double($0) / 2) }
    let total = weights.reduce(0, +)
    let draws = 40_000
    let seen = counts(Sampler(temperature: 2, seed: 7), draws)
    for (count, weight) in zip(seen, weights) {
      // Four standard deviations.
      let share = weight / total
      let deviation = (share * (1 - share) / Double(draws)).squareRoot()
      #expect(abs(Double(count) / Double(draws) - share) < 4 * deviation)
    }
    #expect(
      counts(Sampler(temperature: 2, seed: 7), 100) == counts(Sampler(temperature: 2, seed: 7), 100)
    )
    #expect(
      counts(Sampler(temperature: 2, seed: 7), 100) != counts(Sampler(temperature: 2, seed: 8), 100)
    )
  }

  /// With temperature 1 the shares are 0.052, 0.386, 0.142, 0.019, 0.386… so 0.7 needs the two likeliest.
  @Test func topPKeepsTheFewestTokensThatReachIt() {
    func kept(_ topP: Float) -> [Bool] {
      counts(Sampler(temperature: 1, topP: topP, seed: 3), 4000).map { $0 > 0 }
    }
    #expect(kept(0.7) == [false, true, false, false, true])
    #expect(kept(0.9) == [false, true, true, false, true])
    #expect(kept(0.95) == [true, true, true, false, true])
    #expect(kept(1) == [true, true, true, true, true])
    #expect(kept(0.01).filter(\.self).count == 1)
  }

  /// eˣ by its series, for the reference.
  private static func exponential(_ x: Double) -> Double {
    (0..<40).reversed().reduce(1.0) { sum, n in 1 + sum * x / Double(n + 1) }
  }
}

import AdapterModels
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// Tokens are chosen as transformers chooses them.
@Suite struct SamplerTests {
  /// Fixtures/makers/chat.py runs the processors in the order of `generate`.
  @Test func sharesAreThoseOfTransformers() throws {
    let samples = try JSONFields(Repository.fixtures.appending("chat.json").contents).array(
      "samples")
    #expect(samples.count == 8)
    for sample in samples {
      let fields = try JSONFields(sample)
      func number(_ key: String) -> Float { Float(fields[key]?.double ?? .nan) }
      let sampler = Sampler(
        temperature: number("temperature"), topK: Int(number("top_k")), topP: number("top_p"),
        minP: number("min_p"), repetitionPenalty: number("penalty"))
      let shares = sampler.shares(
        fields.numbers("logits").map { Float($0) },
        after: Set(fields.numbers("seen").map { Int32($0) }))
      let expected = fields.numbers("shares")
      #expect(shares.count == expected.count)
      for (share, value) in zip(shares, expected) {
        #expect((share == 0) == (value == 0) && abs(Double(share) - value) < 1e-5)
      }
    }
  }

  @Test func onlyWhatIsLeftIsChosen() {
    var sampler = Sampler(temperature: 1, topK: 2, seed: 5)
    let logits: [Float] = [1, 0.5, 0.9, 0.2]
    let chosen = Set((0..<200).map { _ in sampler.next(logits) })
    #expect(chosen == [0, 2])
  }

  /// Without a temperature, too.
  @Test func whatWasSaidIsSaidLess() {
    var sampler = Sampler(repetitionPenalty: 2)
    #expect(sampler.next([3, 2, -1], after: [0]) == 1)
    #expect(sampler.next([-1, -1.5], after: [0]) == 1)
    #expect(sampler.next([3, 2, -1], after: [1, 99, -1]) == 0)
  }
}

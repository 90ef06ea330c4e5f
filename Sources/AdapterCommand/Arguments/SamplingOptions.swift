internal import AdapterModels
internal import ArgumentParser

/// How a text is continued.
struct SamplingOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("How many tokens to generate at most. (default: 128)", valueName: "count"))
  var maxNewTokens: Int?

  @Option(help: "How evenly tokens are chosen: 0 always takes the likeliest. (default: 0)")
  var temperature: Float?

  @Option(
    help: ArgumentHelp(
      "Chooses among the likeliest tokens only that together have this share. (default: 1)",
      valueName: "share"))
  var topP: Float?

  @Option(help: "The same seed gives the same text. (default: 0)")
  var seed: UInt64?

  var isGiven: Bool { maxNewTokens != nil || temperature != nil || topP != nil || seed != nil }

  func check() throws {
    guard (maxNewTokens ?? 1) > 0 else { throw ValidationError("--max-new-tokens is at least 1") }
    guard (temperature ?? 0) >= 0, (temperature ?? 0).isFinite else {
      throw ValidationError("--temperature is 0 or more")
    }
    guard (topP ?? 1) > 0, (topP ?? 1) <= 1 else {
      throw ValidationError("--top-p is more than 0 and at most 1")
    }
    guard temperature != nil || (topP == nil && seed == nil) else {
      throw ValidationError("--top-p and --seed have no effect without --temperature")
    }
  }

  func generation(endTokens: [Int32]?) -> Generation.Options {
    Generation.Options(
      maximumCount: maxNewTokens ?? 128, endTokens: endTokens,
      sampler: Sampler(temperature: temperature ?? 0, topP: topP ?? 1, seed: seed ?? 0))
  }
}

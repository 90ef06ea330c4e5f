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
      "Choose among this many of the likeliest tokens. (default: 0, all)", valueName: "count"))
  var topK: Int?

  @Option(
    help: ArgumentHelp(
      "Choose among the likeliest tokens that together have this share. (default: 1)",
      valueName: "share"))
  var topP: Float?

  @Option(
    help: ArgumentHelp(
      "Choose among tokens at least this likely, relative to the likeliest. (default: 0)",
      valueName: "share"))
  var minP: Float?

  @Option(
    help: ArgumentHelp(
      "Make tokens that are already in the text less likely: 1.1 a little. (default: 1)",
      valueName: "factor"))
  var repetitionPenalty: Float?

  @Option(help: "The same seed gives the same text. (default: 0)")
  var seed: UInt64?

  @Option(
    help: ArgumentHelp(
      "End the text before this one; may be repeated.", valueName: "text"))
  var stop: [String] = []

  var isGiven: Bool {
    maxNewTokens != nil || temperature != nil || topK != nil || topP != nil || minP != nil
      || repetitionPenalty != nil || seed != nil || !stop.isEmpty
  }

  func check() throws {
    guard (maxNewTokens ?? 1) > 0 else { throw ValidationError("--max-new-tokens is at least 1") }
    guard (temperature ?? 0) >= 0, (temperature ?? 0).isFinite else {
      throw ValidationError("--temperature is 0 or more")
    }
    guard (topK ?? 0) >= 0 else { throw ValidationError("--top-k is 0 or more") }
    guard (topP ?? 1) > 0, (topP ?? 1) <= 1 else {
      throw ValidationError("--top-p is more than 0 and at most 1")
    }
    guard (minP ?? 0) >= 0, (minP ?? 0) <= 1 else {
      throw ValidationError("--min-p is from 0 to 1")
    }
    guard (repetitionPenalty ?? 1) > 0, (repetitionPenalty ?? 1).isFinite else {
      throw ValidationError("--repetition-penalty is more than 0")
    }
    guard temperature != nil || (topK == nil && topP == nil && minP == nil && seed == nil) else {
      throw ValidationError(
        "--top-k, --top-p, --min-p and --seed have no effect without --temperature")
    }
    guard !stop.contains("") else { throw ValidationError("--stop is a text that is not empty") }
  }

  /// How many tokens there may be.
  var maximumCount: Int { maxNewTokens ?? 128 }

  func generation(endTokens: [Int32]?) -> Generation.Options {
    Generation.Options(
      maximumCount: maximumCount, endTokens: endTokens,
      sampler: Sampler(
        temperature: temperature ?? 0, topK: topK ?? 0, topP: topP ?? 1, minP: minP ?? 0,
        repetitionPenalty: repetitionPenalty ?? 1, seed: seed ?? 0))
  }
}

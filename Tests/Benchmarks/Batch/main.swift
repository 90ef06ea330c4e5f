// Several texts in one pass, each with an adapter of its own, against one text alone:
//   batch-benchmark BASE ADAPTER.adp...           in a release build: swift run -c release batch-benchmark ...
// BASE is a folder with a model that `adapter run` knows. The adapters are taken in turns by eight texts, so one given
// once serves all of them. Prints tokens per second of decoding, all texts together, and how long an adapter
// takes from a closed file to a stack that a text can use; each the best of five.
import AdapterModels
import Adapters
import SystemPackage

let arguments = Array(CommandLine.arguments.dropFirst())
let (texts, prompt, steps, rounds) = (8, 32, 32, 5)
guard arguments.count > 1 else { fatalError("BASE ADAPTER.adp...") }

let model = try LanguageModel(Checkpoint(FilePath(arguments[0])))
let paths = arguments.dropFirst().map { FilePath($0) }

func attach(_ path: FilePath) throws -> AdapterStack {
  let adapter = try PreparedAdapter(Adapter.open(path)[0], for: model)
  return try AdapterStack([AdapterStack.Entry(adapter)], for: model)
}

func seconds(_ body: () throws -> Void) rethrows -> Double {
  let time = try ContinuousClock().measure(body).components
  return Double(time.seconds) + Double(time.attoseconds) * 1e-18
}

func best(_ body: () throws -> Double) rethrows -> Double {
  var result = Double.infinity
  for _ in 0..<rounds { result = min(result, try body()) }
  return result
}

/// Seconds of decoding, without those of the prompts.
func decode(_ stacks: [AdapterStack?]) throws -> Double {
  let sequences = try stacks.map { try DecodingSequence(model, with: $0, capacity: prompt + steps) }
  var sampler = Sampler()
  var tokens = sequences.indices.map { text in
    (0..<prompt).map { Int32((7919 * ($0 + text) + 17) % model.vocabularySize) }
  }
  func step() throws {
    let next = zip(sequences, tokens).map { LanguageModel.Step($0, $1) }
    tokens = try model.logits(after: next).map { [Int32(sampler.next($0))] }
  }
  try step()
  return try seconds { for _ in 0..<steps { try step() } }
}

let stacks = try paths.map(attach)
let own = (0..<texts).map { stacks[$0 % stacks.count] as AdapterStack? }
let runs: [(String, [AdapterStack?])] = [
  ("1 text, no adapter", [nil]),
  ("1 text, 1 adapter", [stacks[0]]),
  ("\(texts) texts, no adapter", Array(repeating: nil, count: texts)),
  ("\(texts) texts, 1 adapter", Array(repeating: stacks[0], count: texts)),
  ("\(texts) texts, \(min(texts, stacks.count)) adapters", own),
]
for (name, stacks) in runs {
  let time = try best { try decode(stacks) }
  print(name, Int((Double(stacks.count * steps) / time).rounded()), "tokens/s", separator: "\t")
}
for path in paths.prefix(1) {
  let time = try best { try seconds { _ = try attach(path) } }
  print(
    "attach \(path.lastComponent?.string ?? "")", (time * 1e5).rounded() / 100, "ms",
    separator: "\t")
}

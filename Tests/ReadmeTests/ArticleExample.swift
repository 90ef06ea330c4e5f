import AdapterModels
import Adapters
import SystemPackage

/// The code of the article, piece after piece, but for the indentation: it is compiled, and run.
func articleExample() throws {
  let base = try Checkpoint("path/to/model")
  let imported = try PEFTImport(PEFTFolder("path/to/peft-adapter"))
  for note in imported.notes { print("note: \(note)") }
  let bound = try BoundAdapter(imported.adapter, to: base)
  let file = try OutputFile("style.adp", replacing: false)
  try Adapter.write([bound.recordingBase(base)], to: file)
  try file.commit()

  let style = try Adapter.open("style.adp")[0]
  let weighted = WeightedAdapter(style, weight: 0.7, label: "style")
  let view = try AdaptedCheckpoint(base, applying: [weighted])
  print(view.receipt)
  for name in view.changedNames {
    guard let reader = try view.reader(of: name) else { continue }
    var hasher = DigestHasher()
    try reader.forEachTile { _, bytes in hasher.update(bytes) }
    print(name, reader.info.type, reader.info.shape, hasher.finish())
  }

  let (model, stack) = try RunPlan(style, on: base).load()

  let tokenizer = try Tokenizer("path/to/model/tokenizer.json")
  func speak(_ prompt: String, with stack: AdapterStack) throws {
    let generation = try Generation(model, prompt: tokenizer.encode(prompt), with: stack)
    var text = TextStream(tokenizer, skippingSpecialTokens: true)
    while let token = try generation.next() { print(text.append(token), terminator: "") }
    print(text.finish())
  }
  try speak("Today", with: stack)

  let rack = AdapterRack(model)
  let tone = try PEFTImport(PEFTFolder("path/to/other-adapter")).adapter
  try rack.attach(PreparedAdapter(style, for: model), as: "style", weight: 0.7)
  try rack.attach(PreparedAdapter(tone, for: model), as: "tone", weight: -0.4)
  try speak("Night", with: rack.stack)
  try rack.detach("tone")
  try rack.reweight("style", to: 1)
  try speak("Today", with: rack.stack)

  let cache = AdapterCache<String>(byteLimit: 256 << 20)
  func adapter(_ name: String) throws -> PreparedAdapter {
    try cache.adapter(for: name) { () throws in
      let file = FilePath("adapters").appending(name + ".adp")
      return try PreparedAdapter(Adapter.open(file)[0], for: model)
    }
  }
  let prompt = tokenizer.encode("Today")
  let steps = try ["style", "tone"].map { name in
    let stack = try AdapterStack([AdapterStack.Entry(adapter(name))], for: model)
    return try LanguageModel.Step(DecodingSequence(model, with: stack), prompt)
  }
  var sampler = Sampler()
  for logits in try model.logits(after: steps) { print(tokenizer.decode([sampler.next(logits)])) }
  print(cache.count, "adapters in", cache.byteCount, "bytes")
}

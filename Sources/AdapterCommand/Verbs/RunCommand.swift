internal import AdapterModels
internal import AdapterRuntime
internal import ArgumentParser
internal import Storage
internal import SystemPackage

/// `adapter run`.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Run a model with adapters: a conversation, or a text.",
    usage: "adapter run [<base>] [<adapter>[:<weight>] …] [<options>]",
    discussion: """
      The base is a folder with config.json (of type gpt2, bloom, llama, mistral, qwen2, qwen3, \
      gemma2, gemma3_text or phi3), weights in safetensors, and, for text, tokenizer.json. It is \
      loaded as it is stored; adapters act beside it. The text goes to standard output as it comes. \
      Without a base, it is the one that the first adapter records, from the Hugging Face cache.

      On a terminal, without --prompt, it is a conversation: type a question, or /help for the commands. \
      In a pipe, standard input is the prompt.

      Examples:
        adapter run path/to/model lora.adp
        adapter run lora.adp
        adapter run path/to/model --prompt "Once upon a time"
        adapter run path/to/model lora.adp --chat --prompt "Who are you?"
        adapter run path/to/model lora.adp --chat < question.txt > answer.txt
        adapter run path/to/model lora.adp:0.5 other.adp --prompt "Hello"
        adapter run path/to/model --prompt "Hi" --temperature 0.8 --top-k 40 --seed 7
        adapter run path/to/model --prompt-file story.txt --stop "The end"
        adapter run path/to/model prompt.adp --prompt "Hello" --compare
        adapter run path/to/model lora.adp --token-ids 1,2,3 --logits l.safetensors
      """)

  @Argument(
    help: "The base model's folder; or the first adapter, of a base in the cache.",
    completion: .file())
  var base: String

  @Argument(
    help:
      "Adapters of any format, left to right, each with a weight after a colon or none.",
    completion: .file())
  var adapters: [String] = []

  @OptionGroup(title: "The prompt")
  var prompt: PromptOptions

  @OptionGroup(title: "The text")
  var sampling: SamplingOptions

  @Flag(help: "Show the answer of the base alone beside the answer with the adapters.")
  var compare = false

  @Option(
    help: ArgumentHelp(
      "Write the next token's logits (F32, key logits) to this file; generate nothing.",
      valueName: "file"), completion: .file(extensions: ["safetensors"]))
  var logits: String?

  @Flag(help: "Write JSON (Spec/cli.md).")
  var json = false

  @Flag(help: "Report the speed on standard error.")
  var stats = false

  @OptionGroup
  var otherBase: OtherBaseOptions

  @Flag(help: "Replace an existing file of logits.")
  var force = false

  func validate() throws {
    try prompt.check()
    try sampling.check()
    guard logits == nil || !(compare || json || stats || sampling.isGiven) else {
      throw ValidationError("--logits generates no text: options for one have no effect")
    }
    guard !force || logits != nil else { throw ValidationError("--force is for --logits") }
    guard !prompt.isConversation || (logits == nil && !json) else {
      throw ValidationError(
        "\(json ? "--json" : "--logits") is for one prompt: give --prompt or --token-ids")
    }
  }

  func run() throws {
    let start = ContinuousClock.now
    let arguments = try RunArguments(base, adapters)
    let (base, references) = (arguments.base, arguments.adapters)
    guard !compare || !references.isEmpty else {
      throw ValidationError("--compare compares the base with adapters: name one")
    }
    if case .standardInput = prompt.source, references.contains(where: \.adapter.isStandardInput) {
      throw Failure(
        "standard input is an adapter: the prompt cannot come from it", hint: "give --prompt TEXT")
    }
    let text = try PromptText.read(prompt.source)
    let sources = FilePath(base).withFiles + references.flatMap(\.adapter.sources)
    let file = try logits.map { path throws(Failure) in
      try LogitsFile(path, replacing: force, from: sources)
    }
    let model = try RunModel(base, references, otherBase.policy)
    if prompt.isConversation {
      var conversation = try Conversation(self, model)
      return conversation.run()
    }
    let input = try RunInput(prompt, text, for: model)
    if let file { return try write(file, model, input) }
    var runs: [Answer] = []
    for kind in compare ? [Answer.Kind.base, .adapted] : [.adapted] {
      runs.append(try Answer(kind, model, input, sampling))
    }
    if json {
      for run in runs { while try run.next() != nil {} }
    } else if compare {
      try AnswerColumns.write(runs)
    } else {
      for run in runs { while let piece = try run.next() { Terminal.write(piece.escapedLines) } }
      Terminal.write("\n")
    }
    let report = RunReport(
      base: base, references: references, model: model, input: input, runs: runs,
      seconds: (ContinuousClock.now - start) / .seconds(1))
    if json { Terminal.write(report.json) }
    if let cut = runs.first(where: \.isCut), !json { cut.reportCut(sampling, model) }
    if stats { report.reportStatistics() }
  }

  private func write(_ file: LogitsFile, _ model: RunModel, _ input: RunInput) throws(Failure) {
    try checkDistinct(file.path, from: model.inputs)
    let values = try running {
      let sequence = try DecodingSequence(
        model.model, with: model.stack, capacity: input.tokens.count)
      return try model.model.logits(after: [.init(sequence, input.tokens)])[0]
    }
    try file.write(values)
    Terminal.report("done", "\(file.path): \(values.count) logits")
  }
}

/// An error of a model is one of the command, with what to do about it.
func running<Value>(_ body: () throws -> Value) throws(Failure) -> Value {
  do {
    return try body()
  } catch {
    throw Failure(error, in: nil)
  }
}

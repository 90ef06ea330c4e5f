import Foundation
import SystemPackage
import TestSupport
import Testing

/// The fenced blocks of a language in the README.
func readmeBlocks(_ language: String) throws -> [String] {
  try fencedBlocks(language, of: "README.md")
}

/// The fenced blocks of a language in a text.
func fencedBlocks(_ language: String, of path: FilePath) throws -> [String] {
  let text = String(
    decoding: try Repository.root.pushing(path).contents, as: UTF8.self)
  return text.components(separatedBy: "```\(language)\n").dropFirst().compactMap {
    $0.components(separatedBy: "\n```").first
  }
}

@Suite struct ReadmeTests {
  /// Every `adapter …` line is run as it stands, in a folder where its paths exist.
  @Test func everyCommandWorks() throws {
    let folder = try TemporaryFolder()
    try FileManager.default.createDirectory(
      atPath: folder.appending("path").appending("to").string, withIntermediateDirectories: true)
    let speaking = Repository.fixtures.appending("speaking")
    try folder.copy(speaking.appending("lora"), to: "path/to/peft-adapter")
    try folder.copy(speaking.appending("base"), to: "path/to/model")
    // A fine-tuned copy needs biases; the other commands know nothing of it.
    try folder.copy(Repository.base("tiny-bias"), to: "path/to/biased")
    try folder.copy(
      Repository.fixtures.appending("bitfit/f32_small/tuned.safetensors"),
      to: "path/to/tuned-model")
    let lines = try readmeBlocks("sh").flatMap { $0.split(separator: "\n") }
      .filter { $0.hasPrefix("adapter ") }
    #expect(lines.count == 17)
    for line in lines {
      let base = line.hasPrefix("adapter extract") ? "to/biased" : "to/model"
      let typed = String(line).replacing("to/model", with: base)
      let result = try Command.shell(typed, in: folder.path)
      #expect(result.status == 0, "\(line): \(result.errors)")
    }
    #expect(folder.appending("path").appending("to").appending("merged-model").exists)
  }

  /// A page that is read in ten minutes, in one width; a command's line is as long as it is.
  @Test func theReadmeIsShort() throws {
    let text = String(
      decoding: try Repository.root.appending("README.md").contents, as: UTF8.self)
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.count <= 200)
    for line in lines where !line.hasPrefix("|") && !line.contains("--part") {
      #expect(line.count <= 120, "\(line)")
    }
  }

  /// The tests that hold the promises are there, by their names.
  @Test func everyPromiseHasItsTest() throws {
    let page = String(
      decoding: try Repository.root.pushing("Spec/promises.md").contents, as: UTF8.self)
    let promises = page.split(separator: "\n").compactMap { line in
      line.firstMatch(of: #/^\| .+ \| `(\w+Tests)\.(\w+)` \|$/#)
    }
    #expect(promises.count == 10)
    let files = Repository.files(below: Repository.root.appending("Tests"), suffix: "Tests.swift")
    for promise in promises {
      let path = try #require(files.first { $0.stem == String(promise.1) }, "\(promise.1)")
      let text = String(decoding: try path.contents, as: UTF8.self)
      #expect(text.contains("func \(promise.2)("), "\(promise.1).\(promise.2)")
    }
  }

  /// What GNU parallel and Slurm are told to run, as they run it.
  @Test func theSchedulersLinesWork() throws {
    let folder = try TemporaryFolder()
    try FileManager.default.createDirectory(
      atPath: folder.appending("path").appending("to").string, withIntermediateDirectories: true)
    let speaking = Repository.fixtures.appending("speaking")
    try folder.copy(speaking.appending("base"), to: "path/to/model")
    let made = try Command.shell(
      "adapter convert '\(speaking.appending("lora"))' -o lora.adp", in: folder.path)
    #expect(made.status == 0)
    let lines = try readmeBlocks("sh").flatMap { $0.split(separator: "\n") }
      .filter { $0.hasPrefix("seq ") || $0.hasPrefix("sbatch ") }
    #expect(lines.count == 2)
    for line in lines {
      let command = try #require(String(line).split(at: "adapter ")?.1)
        .replacing("'", with: "").replacing("{}", with: "$i")
      let result = try Command.shell(
        """
        set -e; export SLURM_ARRAY_TASK_COUNT=8
        for i in $(seq 8); do SLURM_ARRAY_TASK_ID=$i; adapter \(command); done
        adapter merge path/to/model lora.adp -o path/to/shared-model --finish
        rm -r path/to/shared-model
        """, in: folder.path)
      #expect(result.status == 0, "\(line): \(result.errors)")
    }
  }

  /// The answers are what the command writes.
  @Test func theAnswersAreTrue() throws {
    let readme = String(
      decoding: try Repository.root.appending("README.md").contents, as: UTF8.self)
    let shown = try #require(readme.split(at: "$ adapter run ")?.1.split(at: "```\n")?.0)
    let (options, answers) = try #require(shown.split(at: "\n"))
    let result = try Command.shell("adapter run \(options)", in: Repository.root)
    #expect(result.status == 0 && result.output == answers, "\(result.errors)")
  }

  /// The picture is what the command shows of the adapter that ADAPTER_PIRATE_LORA names, a PEFT folder; its
  /// base is ADAPTER_PIRATE_BASE. Sizes depend on libzstd.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["ADAPTER_PIRATE_LORA"] != nil))
  func thePictureIsTrue() throws {
    let folder = try TemporaryFolder()
    let environment = ProcessInfo.processInfo.environment
    let source = try #require(environment["ADAPTER_PIRATE_LORA"])
    let base = try #require(environment["ADAPTER_PIRATE_BASE"])
    let made = try Command.run(
      Command.adapter, ["convert", source, "-o", "pirate.adp", "--base", base],
      folder: folder.path)
    #expect(made.status == 0, "\(made.errors)")
    let shown = try Command.run(Command.adapter, ["inspect", "pirate.adp"], folder: folder.path)
    let readme = String(
      decoding: try Repository.root.appending("README.md").contents, as: UTF8.self)
    let picture = try #require(
      readme.split(at: "$ adapter inspect pirate.adp\n")?.1.split(at: "```\n")?.0)
    func lasting(_ text: String) -> [Substring] {
      text.split(separator: "\n").filter {
        !$0.hasPrefix("pirate.adp") && !$0.contains("stored in")
      }
    }
    #expect(lasting(picture) == lasting(shown.output))
  }

  /// The scripts that the README names are there, and the gate calls the same test command.
  @Test func theTwoCommandsAreTheGates() throws {
    let first = try #require(try readmeBlocks("sh").first { $0.hasPrefix("sh ") })
    let scripts = first.split(separator: "\n").map { $0.split(separator: " ")[1] }
    #expect(scripts == [".ci/demo", ".ci/test"])
    let gate = try Repository.root.appending(".ci").appending("run").contents
    #expect(String(decoding: gate, as: UTF8.self).contains("sh .ci/test"))
  }

  /// What the first of the two commands does once it has built.
  @Test func theDemoWorks() throws {
    let folder = try TemporaryFolder()
    let demo = String(
      decoding: try Repository.root.appending(".ci").appending("demo").contents, as: UTF8.self)
    let lines = demo.split(separator: "\n").filter { $0.hasPrefix("$adapter ") }
    #expect(lines.count == 4)
    for line in lines {
      let arguments = line.split(separator: " ").dropFirst().map {
        String($0).replacing("\"", with: "").replacing("$out", with: folder.path.string)
      }
      let result = try Command.run(Command.adapter, arguments, folder: Repository.root)
      #expect(result.status == 0, "\(line): \(result.errors)")
    }
    #expect(folder.names == ["lora.adp", "merged"])
  }

  /// The Swift example is the one that is compiled beside this file.
  @Test func theExampleCompiles() throws {
    let example = Repository.root.appending("Tests").appending("ReadmeTests")
      .appending("Example.swift")
    let source = String(decoding: try example.contents, as: UTF8.self)
    let block = try #require(try readmeBlocks("swift").first)
    let (imports, body) = try #require(block.split(at: "\n\n"))
    #expect(source.contains(imports))
    let indented = body.split(separator: "\n").map { "  " + $0 }.joined(separator: "\n")
    #expect(source.contains(indented))
  }

  /// It does what the README says it does, in a process of its own, whose folder has its paths.
  @Test func theExampleRuns() async throws {
    let result = try await #require(
      processExitsWith: .success, observing: [\.standardOutputContent]
    ) {
      let folder = try TemporaryFolder()
      try folder.copy(Repository.peft("llama_all"), to: "lora")
      let made = try Command.run(
        Command.adapter, ["convert", "lora", "-o", "lora.adp"], folder: folder.path)
      #expect(made.status == 0, "\(made.errors)")
      for (source, name) in [
        (Repository.base("tiny-llama"), "model"), (Repository.peft("llama_bf16"), "peft-adapter"),
      ] {
        let target = folder.appending("path").appending("to").string
        try FileManager.default.createDirectory(
          atPath: target, withIntermediateDirectories: true)
        try folder.copy(source, to: "path/to/\(name)")
      }
      #expect(FileManager.default.changeCurrentDirectoryPath(folder.path.string))
      try readmeExample()
    }
    let output = String(decoding: result.standardOutputContent, as: UTF8.self)
    // Of 32 × 32 in BF16; the tensors of both adapters; the base's shards without their headers.
    for line in [
      "2048 bytes\n", "14 tensors changed, 7 untouched\n",
      "style × -0.3: lora, 4 add_low_rank; base: ",
      "default × 0.7: lora, 14 add_low_rank; base: ",
    ] {
      #expect(output.contains(line), "\(output)")
    }
  }

  /// The second reader is short enough to be read: each of its files, and each function.
  @Test(
    arguments: Repository.files(below: Repository.root.appending("Spec"), suffix: ".py"))
  func theSecondReaderIsShort(_ path: FilePath) throws {
    let text = String(decoding: try path.contents, as: UTF8.self)
    #expect(text.split(separator: "\n", omittingEmptySubsequences: false).count <= 300)
    for function in text.split(separator: /(?m)^(?=def |class |@)/).dropFirst() {
      #expect(function.split(separator: "\n").count <= 40, "\(function.prefix(60))")
    }
  }

  /// Every file that the README and the specification link to is there.
  @Test(
    arguments: [Repository.root.appending("README.md")]
      + Repository.files(below: Repository.root.appending("Spec"), suffix: ".md"))
  func everyLinkLeadsSomewhere(_ page: FilePath) throws {
    let text = String(decoding: try page.contents, as: UTF8.self)
    let links = text.matches(of: /\]\(([^)]+)\)/).map { String($0.1) }
    for link in links {
      let target = page.removingLastComponent().pushing(FilePath(link))
      #expect(target.exists, "\(link)")
    }
    #expect(links.count >= 5 || page.removingLastComponent() != Repository.root)
  }
}

extension String {
  /// What is before and after the first occurrence of a text.
  fileprivate func split(at separator: String) -> (String, String)? {
    range(of: separator).map { (String(self[..<$0.lowerBound]), String(self[$0.upperBound...])) }
  }
}

import Foundation
import SystemPackage
import TestSupport
import Testing

/// Nothing is overwritten or deleted that is not written anew, and nothing half done is left.
@Suite struct OutputTests {
  private let folder: TemporaryFolder
  private let base: FilePath
  private let adapter: FilePath

  init() throws {
    folder = try TemporaryFolder()
    base = try folder.copy(Repository.base("tiny-gpt2"), to: "base")
    adapter = try folder.copy(Repository.peft("gpt2_default"), to: "peft")
  }

  private func expectRefused(_ arguments: String..., says: String) throws {
    let before = try snapshot()
    let result = try Command.run(Command.adapter, arguments)
    #expect(result.status == 2, "\(arguments)")
    #expect(result.errors.contains(says), "\(result.errors)")
    #expect(try snapshot() == before)
  }

  /// Every file below the folder and its bytes.
  private func snapshot() throws -> [String: [UInt8]] {
    let paths = Repository.files(below: folder.path, suffix: "")
    let files = paths.filter { path in
      (try? FileManager.default.attributesOfItem(atPath: path.string)[.type]) as? FileAttributeType
        == .typeRegular
    }
    return Dictionary(uniqueKeysWithValues: try files.map { ($0.string, try $0.contents) })
  }

  @Test func inputsAreNeverOutputs() throws {
    let inputs = [
      base, base.appending("model.safetensors"), base.appending("config.json"), adapter,
      adapter.appending("adapter_config.json"), adapter.appending("adapter_model.safetensors"),
    ]
    for output in inputs {
      try expectRefused(
        "merge", base.string, adapter.string, "-o", output.string, "--force", says: "inputs")
      try expectRefused(
        "convert", adapter.string, "--base", base.string, "-o", output.string, "--force",
        says: "inputs")
    }
    // The configuration beside a base that is named as a file is read as well.
    try expectRefused(
      "merge", base.appending("model.safetensors").string, adapter.string, "-o",
      base.appending("config.json").string, "--force", says: "inputs")
    let hard = folder.appending("hard").string
    try FileManager.default.linkItem(
      atPath: adapter.appending("adapter_config.json").string, toPath: hard)
    try expectRefused("convert", adapter.string, "-o", hard, "--force", says: "inputs")
  }

  @Test func aReportNeverReplacesWhatItIsAbout() throws {
    let weights = adapter.appending("adapter_model.safetensors").string
    let model = base.appending("model.safetensors").string
    for (arguments, input) in [
      (["inspect", adapter.string], weights), (["diff", adapter.string, adapter.string], weights),
      (["inspect", adapter.string, "--base", base.string], model),
      (["diff", adapter.string, adapter.string, "--base", base.string], model),
      (["diff", model, model], model),
    ] {
      let before = try snapshot()
      let result = try Command.run(
        Command.adapter, arguments + ["--html", input, "--force"])
      #expect(result.status == 2 && result.errors.contains("inputs"), "\(arguments): \(result)")
      #expect(try snapshot() == before)
    }
    let report = try folder.write([1], to: "report.html").string
    try expectRefused("inspect", adapter.string, "--html", report, says: "--force")
  }

  @Test func aFolderThatHoldsAnythingElseIsNotReplaced() throws {
    let file = folder.appending("a.adp").string
    #expect(try Command.adapter("convert", adapter.string, "-o", file).status == 0)
    let work = folder.appending("work")
    try FileManager.default.createDirectory(
      atPath: work.string, withIntermediateDirectories: false)
    try folder.write([1], to: "work/train.jsonl")
    try expectRefused("convert", file, "-o", work.string, "--force", says: "holds train.jsonl")
    try expectRefused(
      "merge", base.string, file, "-o", work.string, "--force", says: "holds train.jsonl")
    // The folder that holds the inputs themselves.
    try expectRefused(
      "merge", base.string, file, "-o", folder.path.string, "--force", says: "which would be lost")
    let link = folder.appending("link").string
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: work.string)
    try expectRefused("convert", file, "-o", link, "--force", says: "symbolic link")
  }

  @Test func aFolderOfTheSameFilesIsReplaced() throws {
    let (file, out) = (folder.appending("a.adp").string, folder.appending("out"))
    #expect(try Command.adapter("convert", adapter.string, "-o", file).status == 0)
    #expect(try Command.adapter("convert", file, "-o", out.string).status == 0)
    try folder.write([1], to: "out/adapter_config.json")
    let refused = try Command.adapter("convert", file, "-o", out.string)
    #expect(refused.status == 2 && refused.errors.contains("hint: to replace it: --force"))
    #expect(try Command.adapter("convert", file, "-o", out.string, "--force").status == 0)
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
      #expect(try out.appending(name).contents == adapter.appending(name).contents)
    }
    #expect(folder.names == ["a.adp", "base", "out", "peft"])
  }

  @Test func optionsWithoutEffectAreWrongUsage() throws {
    let file = folder.appending("a.adp").string
    #expect(try Command.adapter("convert", adapter.string, "-o", file).status == 0)
    let out = folder.appending("out").string
    for arguments in [
      ["convert", adapter.string, "-o", out, "--layout", "in_out"],
      ["convert", file, "-o", out, "--base", base.string],
      ["convert", file, "-o", out, "--ignore-field", "x"],
    ] {
      #expect(try Command.run(Command.adapter, arguments).status == 64)
    }
  }

  /// What has the output's name and is never replaced is told for what it is, and nobody is sent to --force.
  @Test func linksPipesAndDevicesAreNotReplaced() throws {
    let file = folder.appending("a.adp").string
    #expect(try Command.adapter("convert", adapter.string, "-o", file).status == 0)
    let lines = "touch file; ln -s file link; ln -s nowhere dangling; mkfifo pipe; mkdir folder"
    #expect(try Command.shell(lines, in: folder.path).status == 0)
    for (name, says) in [
      ("link", "a symbolic link"), ("dangling", "a symbolic link"), ("pipe", "a pipe"),
      ("/dev/null", "a device"), ("folder", "a folder"), ("file", "a file"),
    ] {
      for command in ["unpack \(file) -o", "convert \(file) -o", "convert peft -o"] {
        let makesFile = command.contains("peft")
        guard (name == "folder") == makesFile || name.hasPrefix("/") || says.hasPrefix("a symb")
        else { continue }
        for force in ["", " --force"] {
          let line = "adapter \(command) \(name)\(force)"
          let result = try Command.shell(line, in: folder.path)
          #expect(result.status == 2, "\(line)")
          #expect(result.errors.contains("is \(says)"), "\(line): \(result.errors)")
          #expect(!result.errors.contains("--force"), "\(line): \(result.errors)")
        }
      }
    }
  }

  /// As long a name as a file system allows, which leaves no room for more beside it.
  @Test func namesMayBeAsLongAsTheFileSystemAllows() throws {
    let letters = String(repeating: "n", count: 246)
    let wide = String(repeating: "\u{1F600}", count: 60)
    for name in [letters, wide] {
      for (command, end) in [
        ("convert peft", ".adp"), ("unpack a.adp", ""), ("merge base a.adp", ""),
        ("merge base/model.safetensors a.adp", ".st"), ("inspect a.adp", ".html"),
      ] {
        let option = command.hasPrefix("inspect") ? "--html" : "-o"
        let lines = """
          [ -f a.adp ] || adapter convert peft -o a.adp
          rm -rf \(name)\(end)
          adapter \(command) \(option) \(name)\(end)
          """
        let result = try Command.shell(lines, in: folder.path)
        #expect(result.status == 0, "\(command): \(result.errors)")
        #expect(folder.names.contains(name + end))
      }
    }
  }

  /// Ctrl-C and its kin at many moments of a merge.
  @Test(arguments: [SIGINT, SIGTERM, SIGHUP])
  func anInterruptedMergeLeavesNothing(_ signal: Int32) throws {
    let out = folder.appending("out").string
    for milliseconds in stride(from: 0, to: 80, by: 4) {
      let status = try Command.interrupted(
        ["merge", base.string, adapter.string, "-o", out], after: milliseconds, by: signal)
      #expect([0, 128 + signal].contains(status))
      #expect(folder.names.allSatisfy { !$0.hasSuffix(".tmp") }, "\(folder.names)")
      try? FileManager.default.removeItem(atPath: out)
    }
  }

  /// A result is not there where what was to be said of it on standard output could not be said; a reader that has
  /// stopped is no reason against it.
  @Test(
    .enabled(if: FilePath("/dev/full").exists),
    arguments: [
      ("merge base peft -o out --undo undo.adp --json", ["out", "undo.adp"]),
      ("merge base/model.safetensors peft -o out --json", ["out"]),
      ("inspect peft --html out.html --json", ["out.html"]),
      ("diff peft peft --html out.html --json", ["out.html"]),
      ("diff base base --html out.html --json", ["out.html"]),
    ])
  func aFileAndStandardOutputAreWrittenBothOrNeither(_ command: String, _ outputs: [String]) throws
  {
    let before = folder.names
    let full = try Command.shell("adapter \(command) > /dev/full", in: folder.path)
    #expect(full.status == 2 && full.errors.contains("cannot write to standard output"))
    #expect(folder.names == before)
    let closed = try Command.shell("set +o pipefail; adapter \(command) | true", in: folder.path)
    #expect(closed.status == 0)
    #expect(folder.names == (before + outputs).sorted())
  }
}

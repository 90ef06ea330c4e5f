import AdapterFormat
import Operations
import Checkpoints
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// Spec/full_reader.py, written from the specification alone, must say of every file what we say.
@Suite(.enabled(if: Command.python != nil, "needs a python3 with numpy and zstandard"))
struct SecondReaderTests {
  private static let specification = Repository.root.appending("Spec")
  private let reader = specification.appending("full_reader.py")

  private func python(_ arguments: [String]) throws -> CommandResult {
    try Command.run(try #require(Command.python), [reader.string] + arguments)
  }

  /// A reader of each level, and the verdicts of the list that are for it.
  @Test(arguments: [("1", "reader.py"), ("2", "full_reader.py")])
  func theCorpusMeansWhatTheListSays(_ level: String, _ name: String) throws {
    let python = try #require(Command.python)
    let result = try Command.run(
      python,
      [
        Self.specification.appending("conformance.py").string, level, python.string,
        Self.specification.appending(name).string, "check",
      ])
    #expect(result.status == 0, "\(result.output)\(result.errors)")
    #expect(result.output.contains("\(ConformanceEntry.all.count) files"))
  }

  /// A reader of level 1 is short.
  @Test func theReaderOfLevel1IsShort() throws {
    let lines = try Self.specification.appending("reader.py").contents.count { $0 == 0x0A }
    #expect(lines <= 150)
  }

  @Test(arguments: ["gpt2_all", "llama_bf16", "llama_f64"], ["fast", "default", "max"])
  func itExtractsWhatWeWrote(_ name: String, _ level: String) throws {
    let folder = try TemporaryFolder()
    let file = folder.appending("a.adp")
    let source = Repository.peft(name).string
    _ = try Command.adapter("convert", source, "-o", file.string, "--level", level)
    let result = try python(["extract", file.string, folder.appending("out").string])
    #expect(result.status == 0, "\(result.errors)")
    let adapter = try #require(try Adapter.open(file).first)
    let lines = result.output.split(separator: "\n")
    #expect(lines.count == adapter.tensors.count)
    for line in lines {
      let cells = line.split(separator: "\t").map(String.init)
      let info = try #require(adapter.tensors.first { $0.name.text == cells[1] })
      #expect(try FilePath(cells[0]).contents == adapter.contents(of: info.name))
    }
  }

  /// It applies what merges need most, in numpy, and comes to the same bytes.
  @Test(arguments: [
    "gpt2_default", "gpt2_adalora", "llama_dora", "gpt2_ia3", "bloom_ia3", "gpt2_bias_all",
    "gpt2_lora_bias", "gpt2_ln", "llama_trainable_tokens", "llama_saved_head", "llama_resized",
  ])
  func itAppliesAsWeDo(_ name: String) throws {
    let fixture = try #require(PEFTCase.all.first { $0.name == name })
    let folder = try TemporaryFolder()
    let (file, out) = (folder.appending("a.adp"), folder.appending("out.safetensors"))
    let base = fixture.basePath.appending("model.safetensors")
    _ = try Command.adapter(
      "convert", fixture.path.string, "-o", file.string, "--base", base.string)
    let merged = try Command.adapter("merge", base.string, file.string, "-o", out.string)
    #expect(merged.status == 0, "\(merged.errors)")
    let theirs = folder.appending("theirs.safetensors")
    let result = try python(["apply", file.string, base.string, theirs.string])
    #expect(result.status == 0, "\(result.errors)")
    let (first, second) = (try Checkpoint(out), try Checkpoint(theirs))
    let original = try Checkpoint(base)
    for tensor in first.tensors {
      let stored = try #require(second.tensor(tensor.info.name))
      #expect(stored.info == tensor.info)
      let (ours, other) = (try values(tensor), try values(stored))
      // The order of a sum is free: the last bits of products may differ.
      let largest = ours.map(abs).max() ?? 0
      #expect(zip(ours, other).allSatisfy { abs($0 - $1) <= 0x1p-21 * largest })
      if original.tensor(tensor.info.name)?.info == tensor.info { continue }
      #expect(fixture.changed.contains(tensor.info.name.text))
    }
  }

  private func values(_ tensor: StoredTensor) throws -> [Float] {
    let bytes = try tensor.contents()
    return stride(from: 0, to: bytes.count, by: 4).map { start in
      Float(bitPattern: bytes[start..<start + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) })
    }
  }

  @Test(arguments: ["makers.adp", "makers.fingerprints"])
  func theVectorsAreMadeAgainByteForByte(_ maker: String) throws {
    let result = try Command.run(
      try #require(Command.python), ["-m", maker, "--check"], folder: Repository.fixtures)
    #expect(result.status == 0, "\(result.output)\(result.errors)")
  }

  /// Exhaustive in our own tests; here some bits and prefixes of every valid file.
  @Test func itRefusesDamageToo() throws {
    let folder = try TemporaryFolder()
    var paths: [String] = []
    let valid = Repository.fixtures.appending("valid")
    for (number, path) in Repository.files(below: valid, suffix: ".adp").enumerated() {
      let bytes = try path.contents
      for index in stride(from: number % 11, to: bytes.count, by: max(11, bytes.count / 16)) {
        var damaged = bytes
        damaged[index] ^= 1 << UInt8(index % 8)
        let name = "\(number)-\(index).adp"
        paths.append(try folder.write(damaged, to: "flip-\(name)").string)
        paths.append(try folder.write(Array(bytes.prefix(index)), to: "prefix-\(name)").string)
      }
      paths.append(try folder.write(bytes + [0], to: "appended-\(number).adp").string)
    }
    #expect(paths.count > 2000)
    let result = try python(["check"] + paths)
    #expect(result.status == 1)
    #expect(!result.output.contains(": ok") && result.errors.isEmpty)
    #expect(result.output.split(separator: "\n").count == paths.count)
  }
}

import AdapterFormat
import Adapters
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// Spec/reader.py, written from the specification alone, must say of every file what we say.
@Suite(.enabled(if: Command.python != nil, "needs a python3 with numpy and zstandard"))
struct SecondReaderTests {
  private let reader = Repository.root.appending("Spec").appending("reader.py")

  private func python(_ arguments: [String]) throws -> CommandResult {
    try Command.run(try #require(Command.python), [reader.string] + arguments)
  }

  @Test func theCorpusMeansTheSameToBoth() throws {
    let files =
      Repository.files(below: Repository.fixtures.appending("valid"), suffix: ".adp")
      + Repository.files(below: Repository.fixtures.appending("invalid"), suffix: ".adp")
    let result = try python(["check"] + files.map(\.string))
    let verdicts = result.output.split(separator: "\n")
    #expect(verdicts.count == files.count)
    for (path, verdict) in zip(files, verdicts) {
      let folder = path.removingLastComponent().lastComponent?.string ?? ""
      let expected = folder == "valid" ? "ok" : folder
      #expect(verdict.hasPrefix("\(path): \(expected)"))
    }
  }

  @Test(arguments: ["gpt2_all", "llama_bf16", "llama_f64"])
  func itExtractsWhatWeWrote(_ name: String) throws {
    let folder = try TemporaryFolder()
    let file = folder.appending("a.adp")
    _ = try Command.adapter("convert", Repository.peft(name).string, "-o", file.string)
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

  @Test(arguments: ["make_adp.py", "make_fingerprints.py"])
  func theVectorsAreMadeAgainByteForByte(_ name: String) throws {
    let maker = Repository.fixtures.appending(name)
    let result = try Command.run(try #require(Command.python), [maker.string, "--check"])
    #expect(result.status == 0, "\(result.output)\(result.errors)")
  }

  /// Exhaustive in our own tests; here one bit of every eleventh byte, every eleventh prefix.
  @Test func itRefusesDamageToo() throws {
    let folder = try TemporaryFolder()
    let bytes = try Repository.fixtures.appending("valid").appending("example.adp").contents
    var paths: [String] = []
    for index in stride(from: 0, to: bytes.count, by: 11) {
      var damaged = bytes
      damaged[index] ^= 1 << UInt8(index % 8)
      paths.append(try folder.write(damaged, to: "flip\(index).adp").string)
      paths.append(try folder.write(Array(bytes.prefix(index)), to: "prefix\(index).adp").string)
    }
    paths.append(try folder.write(bytes + [0], to: "appended.adp").string)
    let result = try python(["check"] + paths)
    #expect(result.status == 1)
    #expect(!result.output.contains(": ok") && result.errors.isEmpty)
  }
}

import AdapterFormat
import Operations
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// Opens, checks every operation and every digest.
func check(_ bytes: any RandomAccessBytes) throws(FormatError) -> AdapterFile {
  let file = try AdapterFile(bytes)
  _ = try Adapter.adapters(of: file)
  try file.verify()
  return file
}

/// Opens a file, and checks all of it.
private func checkFile(_ path: FilePath) throws(FormatError) -> AdapterFile {
  try check(rethrowing(as: FormatError.storage) { () throws(StorageError) in try File(path) })
}

private let valid = Repository.fixtures.appending("valid")

@Suite struct ConformanceTests {
  @Test(arguments: ConformanceEntry.all)
  func everyFileIsWhatTheListSays(_ entry: ConformanceEntry) throws {
    switch entry.expectation {
    case .accepts: try matches(entry, check(File(entry.path)))
    case .refuses(let kind):
      let error = #expect(throws: FormatError.self) { _ = try check(File(entry.path)) }
      #expect(error?.kind == kind, "\(String(describing: error))")
    case .acceptsOne: break
    }
  }

  /// One frame that decoders make two texts of is one of them at most ([ENV-7]).
  @Test func aFrameOfTwoTextsHasOneMeaning() throws {
    var accepted: [String] = []
    for entry in ConformanceEntry.all {
      guard case .acceptsOne(_, let target, let kinds) = entry.expectation else { continue }
      do throws(FormatError) {
        let file = try checkFile(entry.path)
        let targets = file.manifest.adapters.flatMap(\.operations).compactMap(\.target?.text)
        #expect(targets.contains(target))
        accepted.append(target)
      } catch {
        #expect(kinds.contains(error.kind ?? ""), "\(error)")
      }
    }
    #expect(accepted.count <= 1)
  }

  /// What is found in a file is what its maker put in.
  private func matches(_ entry: ConformanceEntry, _ file: AdapterFile) throws {
    #expect(file.digest.description == entry.manifestDigest)
    #expect(file.manifest.adapters.map(\.name.text) == entry.adapters.map(\.name))
    for (index, expected) in entry.adapters.enumerated() {
      #expect(file.manifest.adapters[index].weightsDigest.description == expected.weightsDigest)
      for tensor in expected.tensors {
        let info = try #require(file.tensor(tensor.name, adapter: index))
        #expect(info.type.rawValue == tensor.dtype)
        #expect(info.shape.dimensions.map(Double.init) == tensor.shape)
        let contents = try file.contents(of: tensor.name, adapter: index)
        #expect(Digest(of: contents).description == tensor.digest, "\(tensor.name)")
      }
    }
  }

  /// The values of an opaque stream are not guessed ([STR-8]).
  @Test func whatIsOpaqueIsNotDecoded() throws {
    var count = 0
    for path in Repository.files(below: valid, suffix: ".adp") {
      let file = try AdapterFile.open(path)
      for (index, adapter) in file.manifest.adapters.enumerated() {
        for tensor in adapter.streams.filter(\.isOpaque).flatMap(\.tensors) {
          let error = #expect(throws: FormatError.self) {
            try file.contents(of: tensor.name, adapter: index)
          }
          #expect(error?.kind == "unsupported", "\(path) \(tensor.name)")
          count += 1
        }
      }
    }
    #expect(count > 10)
  }

  @Test func everyRuleHasAVector() throws {
    let spec = try ([Self.specification] + Self.pages).map {
      String(decoding: try $0.contents, as: UTF8.self)
    }.joined()
    let rules = Set(spec.matches(of: /\[([A-Z]{3}-[0-9]+)\]/).map { String($0.1) })
    let all = ConformanceEntry.all
    let covered = Set(all.filter { $0.adapters.isEmpty }.flatMap(\.rules))
    let shown = Set(all.filter { $0.expectation == .accepts }.flatMap(\.rules))
    #expect(covered.union(shown).subtracting(rules) == [])
    // These refuse nothing: they say what is ignored, or what is not applied. Valid files show it.
    let silent: Set = ["MAN-7", "NAM-3", "STR-8", "OPS-2", "OPS-3"]
    #expect(silent.subtracting(shown) == [])
    // No file breaks those of applying, alone or in a stack: tests of it cite them.
    let ofApplying = rules.filter { $0.hasPrefix("STK-") || $0.hasPrefix("BND-") || $0 == "RES-2" }
    let folder = Repository.root.appending("Tests").appending("AdapterRuntimeTests")
    let tests = try Repository.files(below: folder, suffix: ".swift").map {
      String(decoding: try $0.contents, as: UTF8.self)
    }
    for rule in ofApplying {
      #expect(tests.contains { $0.contains("[\(rule)]") }, "no test cites \(rule)")
    }
    #expect(rules.subtracting(covered).subtracting(silent).subtracting(ofApplying) == [])
  }

  /// An operation beyond the core has a page, called as its source file, and a row of the table in section 8.
  @Test func thePagesAreThoseOfTheTable() throws {
    let spec = String(decoding: try Self.specification.contents, as: UTF8.self)
    let rows = spec.matches(of: /\| (8\.[0-9]+) \| `([a-z_]+)` \| \[\w+\]\(operations\/(\w+)\.md\)/)
    #expect(Set(rows.map { "\($0.3)" }) == Set(Self.pages.compactMap(\.stem)))
    let sources = Set(
      Repository.files(below: Repository.root.appending("Sources/Operations"), suffix: ".swift")
        .compactMap(\.stem))
    for row in rows {
      let page = Self.folder.appending("\(row.3).md")
      let text = String(decoding: try page.contents, as: UTF8.self)
      #expect(text.hasPrefix("# `\(row.2)`\n\nSection \(row.1) of [adp-v1.md]"))
      #expect(sources.contains("\(row.3)"), "\(row.3) is not a source file")
    }
  }

  private static let specification = Repository.root.appending("Spec/adp-v1.md")
  private static let folder = Repository.root.appending("Spec/operations")
  private static let pages = Repository.files(below: folder, suffix: ".md").filter {
    $0.lastComponent != "README.md"
  }

  @Test func theSpecificationShowsTheExampleByteForByte() throws {
    let spec = String(decoding: try Self.specification.contents, as: UTF8.self)
    let lines = spec.matches(of: /(?m)^([0-9A-F]{4})  ((?:[0-9A-F]{2} ?)+)/)
    var bytes: [UInt8] = []
    for line in lines {
      #expect(Int(line.1, radix: 16) == bytes.count)
      bytes += line.2.split(separator: " ").compactMap { UInt8($0, radix: 16) }
    }
    #expect(bytes == (try valid.appending("example.adp").contents))
  }
}

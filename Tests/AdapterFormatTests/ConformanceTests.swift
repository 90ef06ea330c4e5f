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

private let valid = Repository.fixtures.appending("valid")
private let invalid = Repository.fixtures.appending("invalid")

@Suite struct ConformanceTests {
  @Test(arguments: Repository.files(below: valid, suffix: ".adp"))
  func validFilesAreAccepted(_ path: FilePath) throws {
    _ = try check(File(path))
  }

  @Test(arguments: Repository.files(below: invalid, suffix: ".adp"))
  func invalidFilesAreRefusedForTheirFault(_ path: FilePath) throws {
    let kind = path.removingLastComponent().lastComponent?.string
    let error = #expect(throws: FormatError.self) { _ = try check(File(path)) }
    #expect(error?.kind == kind, "\(String(describing: error))")
  }

  @Test func tensorsAreWhatTheirMakerPutIn() throws {
    let table = try FixtureTable(valid.appending("EXPECT.tsv"))
    #expect(table.rows.count > 100)
    for row in table.rows {
      let name = try #require(row["file"])
      let file = try AdapterFile.open(valid.appending(name))
      let adapter = try #require(
        file.manifest.adapters.firstIndex { $0.name.text == row["adapter"] })
      var reader = try JSONReader(Array(try #require(row["tensor"]).utf8), maximumDepth: 1)
      let tensor = Name(try reader.string())
      let info = try #require(file.tensor(tensor, adapter: adapter))
      #expect(info.type.rawValue == row["dtype"])
      #expect(info.shape.description.filter { $0 != " " } == row["shape"]?.filter { $0 != " " })
      let contents = try file.contents(of: tensor, adapter: adapter)
      #expect(Digest(of: contents).description == row["sha256"], "\(name) \(tensor)")
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
    let table = try FixtureTable(invalid.appending("RULES.tsv"))
    let covered = Set(
      table.rows.flatMap { ($0["rules"] ?? "").split(whereSeparator: { " ,".contains($0) }) }
        .map(String.init))
    #expect(covered.subtracting(rules) == [])
    // These refuse nothing: they say what is ignored, or what is not applied. Valid files show it.
    let silent: Set = ["MAN-7", "NAM-3", "STR-8", "OPS-2", "OPS-3"]
    let descriptions = try FixtureTable(valid.appending("RULES.tsv")).rows
      .compactMap { $0["description"] }
    for rule in silent {
      #expect(descriptions.contains { $0.contains(rule) }, "\(rule) has no valid file")
    }
    // No file breaks those of applying, alone or in a stack: tests of it cite them.
    let ofStacks = rules.filter { $0.hasPrefix("STK-") || $0 == "RES-2" }
    let folder = Repository.root.appending("Tests").appending("AdapterRuntimeTests")
    let tests = try Repository.files(below: folder, suffix: ".swift").map {
      String(decoding: try $0.contents, as: UTF8.self)
    }
    for rule in ofStacks {
      #expect(tests.contains { $0.contains("[\(rule)]") }, "no test cites \(rule)")
    }
    #expect(rules.subtracting(covered).subtracting(silent).subtracting(ofStacks) == [])
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

import AdapterFormat
import Foundation
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

extension TemporaryFolder {
  /// Converts a PEFT case to a file in the folder.
  fileprivate func convert(_ name: String, to file: String, base: String? = nil) throws {
    var arguments = ["convert", Repository.peft(name).string, "-o", appending(file).string]
    if let base { arguments += ["--base", Repository.base(base).string] }
    let result = try Command.run(Command.adapter, arguments)
    #expect(result.status == 0, "\(result.errors)")
  }

  /// Runs `pack` in the folder.
  fileprivate func pack(_ arguments: String...) throws -> CommandResult {
    try Command.run(Command.adapter, ["pack"] + arguments, folder: path)
  }

  /// The bytes of a file's payload.
  fileprivate func payload(_ file: String) throws -> [UInt8] {
    let bytes = try appending(file).contents
    let footer = bytes.count - 64
    let end = bytes[footer..<footer + 8].reversed().reduce(0) { $0 << 8 | Int($1) }
    return Array(bytes[16..<end])
  }
}

extension FilePath {
  fileprivate var manifest: Manifest {
    get throws { try AdapterFile(File(self)).manifest }
  }
}

@Suite struct BundleTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try folder.convert("gpt2_default", to: "a.adp", base: "tiny-gpt2")
    try folder.convert("gpt2_all", to: "b.adp", base: "tiny-gpt2")
  }

  private func manifest(_ name: String) throws -> Manifest {
    try folder.appending(name).manifest
  }

  private func expectRefused(_ arguments: String..., says: String) throws {
    let before = folder.names
    let result = try Command.run(Command.adapter, ["pack"] + arguments, folder: folder.path)
    #expect(result.status == 2, "\(arguments)")
    #expect(result.errors.contains(says), "\(result.errors)")
    #expect(result.output.isEmpty && folder.names == before)
  }

  @Test func aLevelChangesTheSizeAlone() throws {
    var sizes: [Int] = []
    for level in ["fast", "default", "max"] {
      let result = try folder.pack("a.adp", "-o", "\(level).adp", "--level", level)
      #expect(result.status == 0, "\(result.errors)")
      let (new, old) = (try manifest("\(level).adp"), try manifest("a.adp"))
      #expect(new.base == old.base && new.metadata == old.metadata)
      #expect(new.adapters[0].weightsDigest == old.adapters[0].weightsDigest)
      #expect(new.adapters[0].operations == old.adapters[0].operations)
      sizes.append(try folder.appending("\(level).adp").contents.count)
    }
    #expect(sizes == sizes.sorted(by: >))
    // What is compressed at once, and what is compressed anew, are the same bytes.
    let source = Repository.peft("gpt2_default").string
    let base = Repository.base("tiny-gpt2").string
    let arguments = ["convert", source, "--base", base, "-o", "b.adp", "--level", "max", "--force"]
    #expect(try Command.run(Command.adapter, arguments, folder: folder.path).status == 0)
    #expect(
      try folder.appending("b.adp").contents == folder.appending("max.adp").contents)
  }

  @Test func storedBytesAreCopied() throws {
    let result = try folder.pack("one=a.adp", "two=b.adp", "-o", "c.adp")
    #expect(result.status == 0, "\(result.errors)")
    #expect(try folder.payload("c.adp") == folder.payload("a.adp") + folder.payload("b.adp"))
    let (a, b, c) = (try manifest("a.adp"), try manifest("b.adp"), try manifest("c.adp"))
    #expect(c.adapters.map(\.name) == ["one", "two"])
    // Each brings samples of the tensors that it changes.
    #expect((c.base?.name, c.base?.architecture) == (a.base?.name, a.base?.architecture))
    let sampled = [a, b, c].map { Set($0.base?.fingerprint?.tensors ?? []) }
    #expect(sampled[0].union(sampled[1]) == sampled[2])
    for (new, old) in zip(c.adapters, a.adapters + b.adapters) {
      #expect(new.weightsDigest == old.weightsDigest && new.operations == old.operations)
      #expect(new.source == old.source && new.nonfinite == old.nonfinite)
    }
    #expect(try Command.adapter("verify", folder.appending("c.adp").string).status == 0)
  }

  /// What comes out of a bundle is what went in.
  @Test func eachAdapterComesOutAgain() throws {
    #expect(try folder.pack("one=a.adp", "two=b.adp", "-o", "c.adp").status == 0)
    #expect(try folder.pack("default=c.adp#two", "-o", "d.adp").status == 0)
    #expect(try folder.appending("d.adp").contents == folder.appending("b.adp").contents)
    let path = folder.appending("c.adp").string
    let back = try Command.adapter(
      "convert", path + "#one", "-o", folder.appending("peft").string)
    #expect(back.status == 0, "\(back.errors)")
    let weights = "adapter_model.safetensors"
    #expect(
      try folder.appending("peft/\(weights)").contents
        == Repository.peft("gpt2_default").appending(weights).contents)
    let merged = try Command.adapter(
      "merge", Repository.base("tiny-gpt2").string, path + "#two", "-o",
      folder.appending("merged").string)
    #expect(merged.status == 0, "\(merged.errors)")
    let inspected = try Command.adapter("inspect", path + "#two")
    #expect(inspected.output.hasPrefix("c.adp#two  "))
    #expect(!inspected.output.contains("one"))
  }

  @Test func namesThatCollideAreThoseOfTheFiles() throws {
    let result = try folder.pack("a.adp", "b.adp", "-o", "c.adp")
    #expect(result.status == 0)
    #expect(result.errors.contains("note: called after their files"))
    #expect(try manifest("c.adp").adapters.map(\.name) == ["a", "b"])
    try expectRefused("a.adp", "a.adp", "-o", "d.adp", says: "hint: give them names: NAME=FILE")
    _ = try folder.copy(folder.appending("a.adp"), to: "no name.adp")
    try expectRefused("a.adp", "no name.adp", "-o", "d.adp", says: "several adapters are called")
    try expectRefused("x=a.adp", "x=b.adp", "-o", "d.adp", says: "are called x")
    try expectRefused("x=c.adp", "-o", "d.adp", says: "holds several adapters: a, b")
  }

  @Test func anExistingFileWinsOverTheReadingAsAName() throws {
    _ = try folder.copy(folder.appending("a.adp"), to: "x=b.adp")
    #expect(try folder.pack("x=b.adp", "-o", "c.adp").status == 0)
    #expect(try folder.appending("c.adp").contents == folder.appending("a.adp").contents)
  }

  @Test func aDamagedInputHasNoOutput() throws {
    let bytes = try folder.appending("b.adp").contents
    for place in [16, 16 + (try folder.payload("b.adp")).count / 2] {
      var damaged = bytes
      damaged[place] ^= 0x10
      try folder.write(damaged, to: "bad.adp")
      try expectRefused(
        "a=a.adp", "b=bad.adp", "-o", "c.adp", says: "bad.adp: damaged: wrong checksum")
      try expectRefused("bad.adp", "-o", "c.adp", "--license", "mit", says: "wrong checksum")
    }
  }

  @Test func basesMustAgree() throws {
    try folder.convert("llama_all", to: "l.adp")
    try expectRefused("a=a.adp", "l=l.adp", "-o", "c.adp", says: "for different bases: name")
    // The same name, but other samples.
    try folder.convert("gpt2_default", to: "n.adp")
    #expect(try folder.pack("a=n.adp", "b=b.adp", "-o", "c.adp").status == 0)
    #expect(try manifest("c.adp").base == manifest("b.adp").base)
    #expect(
      try folder.pack("n.adp", "-o", "r.adp", "--base-revision", "r1").status == 0)
    #expect(
      try folder.pack("n.adp", "-o", "s.adp", "--base-revision", "r2").status == 0)
    try expectRefused(
      "a=r.adp", "b=s.adp", "-o", "d.adp",
      says: "r.adp and s.adp are for different bases: revision r1")
    #expect(try folder.pack("a=r.adp", "b=b.adp", "-o", "d.adp").status == 0)
    let base = try #require(try manifest("d.adp").base)
    #expect(base.revision == "r1")
    #expect(try base.fingerprint == manifest("b.adp").base?.fingerprint)
  }

  @Test func metadataIsWhatAllFilesSay() throws {
    #expect(
      try folder.pack("a.adp", "-o", "x.adp", "--license", "mit", "--author", "me", "--title", "X")
        .status == 0)
    #expect(
      try folder.pack("b.adp", "-o", "y.adp", "--author", "me", "--license", "gpl").status == 0)
    let result = try folder.pack("x=x.adp", "y=y.adp", "-o", "c.adp", "--description", "both")
    #expect(result.status == 0)
    #expect(
      try manifest("c.adp").metadata == [.init("author", "me"), .init("description", "both")])
    #expect(result.errors.contains("do not agree: license (of x.adp, y.adp)"))
    #expect(result.errors.contains("do not agree: title (of x.adp)"))
    let settled = try folder.pack(
      "x=x.adp", "y=y.adp", "-o", "d.adp", "--license", "other", "--unset", "title")
    #expect(!settled.errors.contains("do not agree"))
  }

  /// An operation and a stream of a later version go along as they stand.
  @Test func opaquePartsAreCopied() throws {
    let valid = Repository.fixtures.appending("valid")
    for name in ["opaque_op", "opaque_stream_key", "opaque_operand_key"] {
      let file = valid.appending("\(name).adp")
      let result = try folder.pack("x=\(file)", "y=\(file)", "-o", "\(name).adp")
      #expect(result.status == 0, "\(result.errors)")
      let old = try file.manifest.adapters
      let new = try folder.appending("\(name).adp").manifest.adapters
      #expect(new.map(\.operations) == (old + old).map(\.operations))
      #expect(new.map(\.weightsDigest) == (old + old).map(\.weightsDigest))
      #expect(try Command.adapter("verify", folder.appending("\(name).adp").string).status == 0)
    }
  }

  @Test func whatWouldLoseAKeyIsRefused() throws {
    let file = Repository.fixtures.appending("valid").appending("unknown_keys.adp").string
    try expectRefused("x=\(file)", "-o", "c.adp", says: "which would be lost")
    try expectRefused(file, "a.adp", "-o", "c.adp", says: "which would be lost")
    try expectRefused(file, "-o", "c.adp", "--base-name", "x", says: "which would be lost")
  }
}

@Suite struct MetadataTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try folder.convert("gpt2_default", to: "a.adp")
  }

  private func manifest(_ name: String) throws -> Manifest {
    try folder.appending(name).manifest
  }

  @Test func onlyTheMetadataChanges() throws {
    let result = try folder.pack(
      "a.adp", "-o", "b.adp", "--license", "apache-2.0", "--tag", "one", "--tag", "two", "--set",
      "k=v=w", "--trigger-phrase", "once upon", "--description", "line\nline \"2\"")
    #expect(result.status == 0, "\(result.errors)")
    #expect(try folder.payload("b.adp") == folder.payload("a.adp"))
    var expected = try manifest("a.adp")
    expected.metadata = [
      .init("license", "apache-2.0"), .init("description", "line\nline \"2\""),
      .init("trigger_phrase", "once upon"), .init("tags", "one, two"), .init("k", "v=w"),
    ]
    #expect(try manifest("b.adp") == expected)
    let back = try folder.pack(
      "b.adp", "-o", "c.adp", "--unset", "license", "--unset", "description", "--unset",
      "trigger_phrase", "--unset", "tags", "--unset", "k")
    #expect(back.status == 0)
    #expect(try folder.appending("c.adp").contents == folder.appending("a.adp").contents)
    let note = try folder.pack("b.adp", "-o", "d.adp", "--unset", "nothing")
    #expect(note.status == 0 && note.errors.contains("the metadata has no nothing"))
    #expect(try folder.appending("d.adp").contents == folder.appending("b.adp").contents)
  }

  /// Without an edit a file is copied, whatever it holds.
  @Test(arguments: ["unknown_keys", "empty_parts", "json_space", "opaque_stream_key", "adapters"])
  func withoutAnEditTheManifestIsTheSame(_ name: String) throws {
    let source = Repository.fixtures.appending("valid").appending("\(name).adp")
    #expect(try folder.pack(source.string, "-o", "b.adp").status == 0)
    let (old, new) = (
      try AdapterFile(File(source)), try AdapterFile(File(folder.appending("b.adp")))
    )
    #expect(try old.manifestText() == new.manifestText())
    #expect(try folder.payload("b.adp").elementsEqual(source.contents[16...].prefix(payload(old))))
  }

  /// Stored bytes of all streams.
  private func payload(_ file: AdapterFile) -> Int {
    file.manifest.adapters.flatMap(\.streams).reduce(0) { $0 + Int($1.storedByteCount) }
  }

  @Test func aTextIsReplacedInItsPlace() throws {
    #expect(try folder.pack("a.adp", "-o", "b.adp", "--set", "x=1", "--set", "y=2").status == 0)
    #expect(try folder.pack("b.adp", "-o", "c.adp", "--set", "x=3").status == 0)
    #expect(try manifest("c.adp").metadata == [.init("x", "3"), .init("y", "2")])
  }

  /// Keys of a later version stay, wherever they are, byte for byte.
  @Test(arguments: ["unknown_keys", "fingerprint_unknown_key", "json_space", "empty_parts"])
  func everyOtherKeyStays(_ name: String) throws {
    let source = Repository.fixtures.appending("valid").appending("\(name).adp")
    let result = try folder.pack(source.string, "-o", "b.adp", "--set", "x=y")
    #expect(result.status == 0, "\(result.errors)")
    let back = try folder.pack("b.adp", "-o", "c.adp", "--unset", "x")
    #expect(back.status == 0, "\(back.errors)")
    let (old, new) = (
      try AdapterFile(File(source)), try AdapterFile(File(folder.appending("c.adp")))
    )
    let kept = try members(new.manifestText())
    let before = try members(old.manifestText())
    #expect(kept.filter { $0.key != "metadata" } == before.filter { $0.key != "metadata" })
    #expect(new.manifest.unknownKey == old.manifest.unknownKey)
    #expect(new.manifest.metadata == old.manifest.metadata)
    #expect(try folder.payload("c.adp").count == source.contents.count - tail(source))
  }

  private func members(_ text: [UInt8]) throws -> [JSONValue.Member] {
    guard case .object(let members) = try JSONValue(document: text, maximumDepth: 16) else {
      return []
    }
    return members
  }

  /// What is not payload.
  private func tail(_ path: FilePath) throws -> Int {
    let bytes = try path.contents
    let footer = bytes.count - 64
    return bytes.count - bytes[footer..<footer + 8].reversed().reduce(0) { $0 << 8 | Int($1) } + 16
  }

  @Test(arguments: [
    ["--tag", "a,b"], ["--tag", ""], ["--set", "x"], ["--set", "=x"],
    ["--license", "a", "--set", "license=b"], ["--set", "a=1", "--unset", "a"],
  ])
  func wrongUsageEndsWith64(_ options: [String]) throws {
    let result = try Command.run(
      Command.adapter, ["pack", "a.adp", "-o", "b.adp"] + options, folder: folder.path)
    #expect(result.status == 64, "\(result.errors)")
    #expect(folder.names == ["a.adp"])
  }

  @Test func inspectFoldsLongTexts() throws {
    let text = "first line\n\nsecond " + String(repeating: "word ", count: 40) + "\u{1b}[2J"
    #expect(
      try folder.pack(
        "a.adp", "-o", "b.adp", "--description", text, "--trigger-phrase", "x", "--set",
        "long=" + String(repeating: "line\n", count: 100)
      ).status == 0)
    let result = try Command.adapter("inspect", folder.appending("b.adp").string)
    let lines = result.output.split(separator: "\n", omittingEmptySubsequences: false)
    for line in lines.dropFirst() { #expect(line.count <= 80) }
    #expect(lines.contains("  description first line"))
    #expect(lines.contains("  trigger_phrase"))
    #expect(
      lines.contains(
        "              second word word word word word word word word word word word word"))
    #expect(lines.contains("              … and 89 more lines"))
    #expect(result.output.contains("\\u{1b}[2J"))
  }

  /// A folder takes the same options.
  @Test func aFolderIsEditedToo() throws {
    let path = folder.path
    #expect(
      try Command.run(Command.adapter, ["unpack", "a.adp", "-o", "f"], folder: path).status == 0)
    #expect(try folder.pack("f", "-o", "b.adp", "--license", "mit", "--base-name", "n").status == 0)
    let manifest = try manifest("b.adp")
    #expect(manifest.metadata == [.init("license", "mit")] && manifest.base?.name == "n")
    #expect(try folder.payload("b.adp") == folder.payload("a.adp"))
    #expect(try folder.pack("f", "a.adp", "-o", "c.adp").status == 64)
  }
}

import AdapterFormat
import AdapterInterop
import Operations
import Checkpoints
import Foundation
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// Every method of PEFT that is understood, on files that PEFT wrote.
@Suite struct MethodTests {
  /// Every tensor is used by an operation, carried as a file, or listed as inert.
  @Test(arguments: PEFTCase.all)
  func everyTensorIsAccountedFor(_ fixture: PEFTCase) throws {
    let adapter = try fixture.adapter()
    #expect(adapter.method == fixture.method.lowercased())
    let used = Set(adapter.operations.flatMap(\.operands).map(\.tensor))
    let inert = Set(adapter.inert.map(\.tensor))
    for tensor in adapter.tensors {
      #expect(used.contains(tensor.name) || inert.contains(tensor.name))
    }
    #expect(adapter.inert.allSatisfy { !$0.reason.isEmpty })
    for operation in adapter.operations {
      #expect(operation.reasonNotApplied == nil)
    }
  }

  /// Every field that PEFT writes for a method has its place in one of the three lists.
  @Test func everyFieldIsKnown() throws {
    let methods = try JSONFields(Repository.fixtures.appending("peft_fields.json").contents)
    #expect(methods.keys.count > 40)
    for method in methods.keys {
      guard case .object(let fields) = methods[method] else { continue }
      let unknown = PEFTImport.unknownFields(of: method, among: fields.map(\.key))
      // A method that is refused as a whole has no list.
      if let unknown { #expect(unknown.isEmpty, "\(method)") }
    }
  }

  @Test(arguments: PEFTCase.all.map(\.method).reduce(into: Set()) { $0.insert($1) }.sorted())
  func everyMethodOfAFixtureHasAList(_ method: String) {
    #expect(PEFTImport.unknownFields(of: method.uppercased(), among: []) != nil)
  }
}

/// What cannot be expressed is refused by name.
@Suite struct RefusedTests {
  private static let folder = Repository.fixtures.appending("refused")

  @Test func everyCaseIsRefusedForItsReason() throws {
    let expected = try JSONFields(Self.folder.appending("expected.json").contents)
    #expect(expected.keys.count >= 15)
    for name in expected.keys where name != "oft_conv" {
      let words = try JSONFields(try #require(expected[name])).strings("mentions")
      let error = #expect(throws: InteropError.self, "\(name)") {
        try PEFTImport(PEFTFolder(Self.folder.appending(name)))
      }
      let text = error?.description.lowercased() ?? ""
      for word in words {
        #expect(text.contains(word.lowercased()), "\(name): \(text)")
      }
    }
  }

  @Test func aMethodOfTheFutureIsNoLoRA() throws {
    let folder = try TemporaryFolder()
    let source = try folder.copy(Repository.peft("gpt2_default"), to: "peft")
    try folder.edit("peft/adapter_config.json", #""LORA""#, #""LORA_2""#)
    let error = #expect(throws: InteropError.self) { try PEFTImport(PEFTFolder(source)) }
    #expect(error?.description == "peft_type LORA_2 is not supported")
  }
}

/// Prefixes whose order a file cannot say.
@Suite struct PrefixTests {
  private func prefix(_ adapter: Adapter) -> PrependKV? {
    adapter.operations.first?.as(PrependKV.self)
  }

  /// BLOOM's, as an old PEFT wrote it: without its version.
  private func old(_ folder: TemporaryFolder) throws -> FilePath {
    let source = try folder.copy(Repository.peft("bloom_prefix"), to: "peft")
    try folder.edit("peft/adapter_config.json", #""peft_version": "0.21.2","#, "")
    return source
  }

  @Test func anOldPrefixOfBLOOMNeedsAWord() throws {
    let folder = try TemporaryFolder()
    let source = try old(folder)
    let error = #expect(throws: InteropError.self) { try PEFTImport(PEFTFolder(source)) }
    #expect(error?.kind == .undecided(.prefixOrder))
    let split = try PEFTImport(PEFTFolder(source), choices: .init(prefixOrder: .split)).adapter
    #expect(prefix(split)?.slots == [.init(key: 0, value: 2), .init(key: 1, value: 3)])
    // What the user said is in the file, and does not stand in the way back.
    let sink = MemorySink()
    try Adapter.write([split], to: sink)
    let file = try Adapter(AdapterFile(MemoryBytes(sink.bytes)), index: 0)
    #expect(prefix(file) == prefix(split))
    try Formats.peft.export(file).write(
      to: folder.appending("back"), replacing: false)
  }

  @Test func aNewPrefixSaysItself() throws {
    let new = try PEFTImport(PEFTFolder(Repository.peft("bloom_prefix"))).adapter
    #expect(prefix(new)?.slots == [.init(key: 0, value: 1), .init(key: 2, value: 3)])
    let gpt2 = ImportChoices(prefixOrder: .split)
    #expect(throws: InteropError.self) {
      try PEFTImport(PEFTFolder(Repository.peft("gpt2_prefix")), choices: gpt2)
    }
  }

  /// Grouped-query attention: the heads are those of the keys.
  @Test func theHeadsAreThoseOfTheKeys() throws {
    let llama = try #require(
      prefix(try PEFTImport(PEFTFolder(Repository.peft("llama_prefix"))).adapter))
    #expect(llama.headCount == 2 && llama.headDimension == 4)
  }

  /// An encoder-decoder reads half of the slots; of a soft prompt, half of the rows.
  @Test func whatAnEncoderDecoderNeverReadsIsSaid() throws {
    let t5 = try PEFTImport(PEFTFolder(Repository.peft("t5_prefix"))).adapter
    #expect(prefix(t5)?.slots == [.init(key: 0, value: 1), .init(key: 0, value: 1)])
    #expect(t5.inert.compactMap(\.window) == [[0..<3, 16..<24], [0..<3, 24..<32]])
    let prompt = try PEFTImport(PEFTFolder(Repository.peft("t5_prompt"))).adapter
    #expect(prompt.inert.compactMap(\.window) == [[3..<6, 0..<8]])
    let rows = try #require(prompt.operations.first?.as(PrependEmbeddings.self))
    #expect(rows.stream == .encoder && rows.values.shape == [3, 8])
  }
}

/// Training checkpoints that still hold the encoder: run once, equal to what PEFT saves.
@Suite struct RawEncoderTests {
  @Test(arguments: ["gpt2_p_mlp", "gpt2_p_lstm", "gpt2_prefix_mlp"])
  func theEncoderGivesPEFTsOwnRows(_ name: String) throws {
    let folder = Repository.peft(name)
    let raw = try RawEncoder(SafetensorsFile(folder.appending("raw.safetensors")))
    let saved = try PEFTImport(PEFTFolder(folder)).adapter
    #expect(raw.adapter.operations == saved.operations)
    let (ours, theirs) = (
      floats(try raw.adapter.contents(of: "prompt_embeddings")),
      floats(try saved.contents(of: "prompt_embeddings"))
    )
    #expect(ours.count == theirs.count && !ours.isEmpty)
    for (value, wanted) in zip(ours, theirs) {
      #expect(abs(value - wanted) <= 1e-6 * max(1, abs(wanted)))
    }
    // It goes back to PEFT as a file that PEFT could have saved.
    let output = try TemporaryFolder()
    let sink = MemorySink()
    try Adapter.write([raw.adapter], to: sink)
    let file = try Adapter(AdapterFile(MemoryBytes(sink.bytes)), index: 0)
    try Formats.peft.export(file).write(
      to: output.appending("back"), replacing: false)
    let back = try PEFTImport(PEFTFolder(output.appending("back"))).adapter
    #expect(back.operations == saved.operations)
  }

  private func floats(_ bytes: [UInt8]) -> [Float] {
    stride(from: 0, to: bytes.count, by: 4).map { start in
      Float(bitPattern: bytes[start..<start + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) })
    }
  }

  @Test func anEncoderThatIsNotWholeIsRefused() throws {
    let folder = try TemporaryFolder()
    let source = try folder.copy(Repository.peft("gpt2_p_lstm"), to: "p")
    try folder.rename(in: "p/raw.safetensors", "bias_hh_l1_reverse", to: "bias_hh_l1_revers_")
    let error = #expect(throws: InteropError.self) {
      try RawEncoder(SafetensorsFile(source.appending("raw.safetensors")))
    }
    #expect(error?.description.contains("lstm_head.bias_hh_l1_reverse") == true)
  }
}

/// What a configuration of PEFT, or a saved file, may also look like.
@Suite struct OddFileTests {
  private func changed(
    _ name: String, _ old: String, _ new: String
  ) throws -> (folder: TemporaryFolder, source: FilePath) {
    let folder = try TemporaryFolder()
    let source = try folder.copy(Repository.peft(name), to: "peft")
    try folder.edit("peft/adapter_config.json", old, new)
    return (folder, source)
  }

  /// PEFT keeps the untrained original beside a trained module, and sometimes saves it.
  @Test func whatWasThereBeforeIsInert() throws {
    let folder = try TemporaryFolder()
    let source = try folder.copy(Repository.peft("llama_saved_head"), to: "peft")
    let file = try Checkpoint(source.appending("adapter_model.safetensors"))
    var made = HandMadeCheckpoint()
    try made.add(file)
    let head: Name = "base_model.model.lm_head.weight"
    let tensor = try #require(file.tensor(head))
    let bytes = try tensor.contents()
    for part in ["original_module", "modules_to_save"] {
      let name = Name("base_model.model.lm_head.\(part).weight")
      made.add(name, .f32, tensor.info.shape.dimensions, bytes)
    }
    try folder.write(made.bytes, to: "peft/adapter_model.safetensors")
    let adapter = try PEFTImport(PEFTFolder(source)).adapter
    let replaced = adapter.operations.filter { $0.name == "replace" }
    #expect(replaced.map { $0.target?.name } == ["lm_head.weight"])
    #expect(adapter.inert.count == 2)
  }

  /// A pattern that cannot be matched in linear time is no "no": the shape says which side it is.
  @Test func aPatternThatCannotBeMatchedIsNotANo() throws {
    let (folder, source) = try changed(
      "llama_ia3", #""feedforward_modules": ["#, #""x": [], "feedforward_modules": ["#)
    let text = String(
      decoding: try source.appending("adapter_config.json").contents, as: UTF8.self)
    let start = try #require(text.range(of: #""feedforward_modules": ["#))
    let end = try #require(text[start.upperBound...].firstIndex(of: "]"))
    let edited = text.replacingCharacters(
      in: start.lowerBound...end, with: #""feedforward_modules": "(?!x).*down_proj""#)
    try Data(edited.utf8).write(
      to: URL(fileURLWithPath: source.appending("adapter_config.json").string))
    let plain = try PEFTImport(PEFTFolder(Repository.peft("llama_ia3"))).adapter
    #expect(try PEFTImport(PEFTFolder(source)).adapter.operations == plain.operations)
    #expect(folder.names == ["peft"])
  }

  @Test(arguments: [
    ("t5_prompt", #""num_virtual_tokens": 3"#, #""num_virtual_tokens": 5000000000000000000"#),
    ("pvera_llama", #""r": 2"#, #""r": 5000000000000000000"#),
    ("gralora_hybrid", #""hybrid_r": 2"#, #""hybrid_r": -4"#),
    ("oft_llama", #""num_cayley_neumann_terms": 5"#, #""num_cayley_neumann_terms": 100000000"#),
  ])
  func impossibleNumbersAreRefused(_ name: String, _ old: String, _ new: String) throws {
    let (folder, source) = try changed(name, old, new)
    let error = #expect(throws: (any Error).self) { try PEFTImport(PEFTFolder(source)) }
    #expect(error is InteropError || error is FormatError, "\(String(describing: error))")
    #expect(folder.names == ["peft"])
  }
}

/// Files beside an adapter.
@Suite struct CarriedFileTests {
  @Test func smallFilesThatMatterComeBack() throws {
    let folder = try TemporaryFolder()
    let source = try folder.copy(Repository.peft("llama_tokens"), to: "peft")
    let tokens = Array(#"{"<a>": 40}"#.utf8)
    try folder.write(tokens, to: "peft/added_tokens.json")
    try folder.write([], to: "peft/README.md")
    try folder.write([UInt8](repeating: 32, count: 64 << 20 + 1), to: "peft/tokenizer.json")
    try folder.write([1], to: "peft/optimizer.pt")
    let imported = try PEFTImport(PEFTFolder(source))
    #expect(imported.adapter.files.map(\.path) == ["README.md", "added_tokens.json"])
    let note = try #require(imported.notes.first { $0.hasPrefix("not carried") })
    #expect(note.contains("optimizer.pt") && note.contains("tokenizer.json"))
    let sink = MemorySink()
    try Adapter.write([imported.adapter], to: sink)
    let file = try AdapterFile(MemoryBytes(sink.bytes))
    try file.verify()
    let back = folder.appending("back")
    try Formats.peft.export(try Adapter(file, index: 0)).write(
      to: back, replacing: false)
    #expect(try back.appending("added_tokens.json").contents == tokens)
    #expect(try back.appending("README.md").contents == [])
    for part in ["adapter_config.json", "adapter_model.safetensors"] {
      #expect(try back.appending(part).contents == source.appending(part).contents)
    }
    #expect(!back.appending("optimizer.pt").exists)
  }

  /// Of names that no import records nothing is written: what lies in a model's folder is run, or loaded as a pickle.
  @Test func namesThatAreNeverRecordedAreLeftOut() throws {
    let folder = try TemporaryFolder()
    let source = try folder.copy(Repository.peft("llama_tokens"), to: "peft")
    try folder.write([1], to: "peft/README.md")
    let adapter = try PEFTImport(PEFTFolder(source)).adapter
    let record = try #require(adapter.files.first)
    func named(_ name: Name) throws -> Adapter {
      let file = FileRecord(
        path: name, size: record.size, digest: record.digest, tensor: record.tensor)
      return Adapter(
        name: adapter.name, method: adapter.method, operations: adapter.operations,
        inert: adapter.inert, source: adapter.source, files: [file], base: adapter.base,
        tensors: try adapter.tensors.map { info in
          TensorContents(
            info, bytes: MemoryBytes(try adapter.contents(of: info.name)), offset: 0)
        })
    }
    for path: Name in [
      "x.py", "adapter_model.bin", "training_args.bin", "config.json", "model.safetensors",
      "readme.md",
    ] {
      let export = try Formats.peft.export(named(path))
      #expect(export.names == ["adapter_config.json", "adapter_model.safetensors"])
      let loss = try #require(export.losses.first)
      #expect(loss.kind == .file && loss.reason.hasPrefix(path.text))
    }
    for path: Name in [
      "adapter_config.json", "ADAPTER_CONFIG.JSON", "Adapter_Model.safetensors",
    ] {
      let error = #expect(throws: InteropError.self) {
        try Formats.peft.export(named(path))
      }
      #expect(error?.kind == .conflict)
    }
  }

  /// Only a base says where the frequencies of FourierFT are.
  @Test func fourierFTAsksForItsBase() throws {
    let error = #expect(throws: InteropError.self) {
      try PEFTImport(PEFTFolder(Repository.peft("fourierft_llama")))
    }
    guard case .undecided(.base)? = error?.kind else { return Issue.unexpected(error) }
  }

  /// A tensor that was worked out, and is edited, does not go back as what it was worked out of.
  @Test(arguments: ["fourierft_llama", "vblora_llama"])
  func anEditedDerivedTensorIsSeen(_ name: String) throws {
    let adapter = try PEFTCase.named(name).adapter()
    let before = try Formats.peft.export(adapter)
    #expect(before.notes.isEmpty)
    let place = try #require(adapter.tensors.firstIndex { $0.name.hasPrefix("derived/") })
    let tensors = try adapter.tensors.enumerated().map { index, info in
      var bytes = try adapter.contents(of: info.name)
      if index == place { bytes[0] ^= 1 }
      return TensorContents(info, bytes: MemoryBytes(bytes), offset: 0)
    }
    let edited = Adapter(
      name: adapter.name, method: adapter.method, operations: adapter.operations,
      inert: adapter.inert, source: adapter.source, files: adapter.files, base: adapter.base,
      tensors: tensors)
    // Written from the operations, with a note, or refused, where PEFT has no words for them.
    let after = try? Formats.peft.export(edited)
    #expect(after == nil || after?.notes.isEmpty == false)
  }
}

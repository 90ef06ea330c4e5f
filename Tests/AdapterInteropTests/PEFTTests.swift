import AdapterFormat
import AdapterInterop
import Operations
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

private func lowRank(_ adapter: Adapter) -> [AddLowRank] {
  adapter.operations.compactMap { $0.as(AddLowRank.self) }
}

@Suite struct PEFTTests {
  @Test(arguments: Repository.peftCases)
  func bothFilesComeBackByteForByte(_ name: String) throws {
    let folder = try TemporaryFolder()
    let source = Repository.peft(name)
    let imported = try PEFTCase.named(name).imported()
    let sink = MemorySink()
    try Adapter.write([imported.adapter], to: sink)
    let file = try AdapterFile(MemoryBytes(sink.bytes))
    try file.verify()
    // PEFT's files are canonical: of a header is kept only which tensors were not worked out of others.
    let record = file.manifest.adapters[0]
    let hasOthers = record.streams.flatMap(\.tensors).contains {
      $0.name.hasPrefix("derived/")
    }
    #expect((record.source?.header != nil) == hasOthers)
    let target = folder.appending("back")
    try Formats.peft.export(try Adapter(file, index: 0)).write(
      to: target, replacing: false)
    for part in ["adapter_config.json", "adapter_model.safetensors"] {
      #expect(try target.appending(part).contents == source.appending(part).contents)
    }
    #expect(folder.names == ["back"])
  }

  /// r and scaling as PEFT's own layers hold them (effective.json).
  @Test(
    arguments: Repository.peftCases.filter {
      Repository.peft($0).appending("effective.json").exists
    })
  func ranksAndScalesArePEFTs(_ name: String) throws {
    let imported = try PEFTImport(PEFTFolder(Repository.peft(name)))
    let bytes = try Repository.peft(name).appending("effective.json").contents
    let modules = try JSONValue(document: bytes, maximumDepth: 4).members
    let operations = lowRank(imported.adapter)
    #expect(operations.count == modules.count)
    for module in modules {
      let fields = try JSONFields(module.value)
      let operation = try #require(
        operations.first { $0.target.name.text == module.key.text + ".weight" })
      #expect(Double(operation.rank) == fields["r"]?.double)
      #expect(operation.scale == fields["scaling"]?.double)
    }
  }

  /// What only a header kept verbatim can bring back: another order, other metadata.
  @Test func aForeignHeaderComesBackToo() throws {
    let folder = try TemporaryFolder()
    let source = try folder.copy(Repository.peft("llama_bf16"), to: "peft")
    let original = try source.appending("adapter_model.safetensors").contents
    let length = original[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    let text = String(decoding: original[8..<8 + length], as: UTF8.self)
      .replacing(#""format":"pt""#, with: #""b":"2","a":"é""#)
    let header = Array(text.utf8)
    let prefix = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
    let changed = prefix + header + original[(8 + length)...]
    try folder.write(changed, to: "peft/adapter_model.safetensors")
    let imported = try PEFTImport(PEFTFolder(source))
    #expect(imported.adapter.source?.header == text)
    let sink = MemorySink()
    try Adapter.write([imported.adapter], to: sink)
    let back = folder.appending("back")
    let adapter = try Adapter(AdapterFile(MemoryBytes(sink.bytes)), index: 0)
    try Formats.peft.export(adapter).write(to: back, replacing: false)
    #expect(try back.appending("adapter_model.safetensors").contents == changed)
  }

  @Test func layoutsAreNotGuessed() throws {
    // fan_in_fan_out is set, and every layer has a name of GPT-2: the flag is believed.
    let all = lowRank(try PEFTImport(PEFTFolder(Repository.peft("gpt2_all"))).adapter)
    #expect(all.allSatisfy { $0.target.layout == .inOut && $0.target.layoutSource == .guessed })
    let llama = lowRank(try PEFTImport(PEFTFolder(Repository.peft("llama_all"))).adapter)
    #expect(llama.allSatisfy { $0.target.layout == .outIn && $0.target.layoutSource == .guessed })
    // Without the flag such a name says nothing: other models have linear layers called so.
    let folder = try TemporaryFolder()
    let source = try folder.copy(Repository.peft("gpt2_all"), to: "peft")
    try folder.edit(
      "peft/adapter_config.json", #""fan_in_fan_out": true"#, #""fan_in_fan_out": false"#)
    let unflagged = lowRank(try PEFTImport(PEFTFolder(source)).adapter)
    #expect(unflagged.allSatisfy { $0.target.layout == .unresolved })
  }

  @Test(arguments: [
    (#""peft_type": "LORA""#, #""peft_type": "FUTURE""#, "peft_type FUTURE"),
    (#""peft_type": "LORA""#, #""peft_type": null"#, "peft_type"),
    (#""lora_alpha": 32,"#, "", "lora_alpha: missing"),
    (#""r": 8,"#, #""r": 0,"#, "r: must be"), (#""r": 8,"#, #""r": 4,"#, "rank 4"),
    (#""r": 8,"#, #""r": 8.5,"#, "r: must be"), (#""r": 8,"#, #""r": "8","#, "r: is not a number"),
    (#""init_lora_weights": true"#, #""init_lora_weights": "pissa""#, "init_lora_weights"),
    (#""loftq_config": {}"#, #""loftq_config": {"loftq_bits": 4}"#, "loftq_config"),
    (#""use_rslora": false"#, #""use_rslora": 1"#, "use_rslora"),
    (#""use_dora": false"#, #""use_dora": false, "new_thing": 3"#, "unknown field \"new_thing\""),
    (#""lora_dropout": 0.0"#, #""lora_dropout": NaN"#, "bad JSON"),
  ])
  func whatTheConfigurationCannotMeanIsRefused(_ old: String, _ new: String, _ reason: String)
    throws
  {
    let folder = try TemporaryFolder()
    let source = try folder.copy(Repository.peft("gpt2_default"), to: "peft")
    try folder.edit("peft/adapter_config.json", old, new)
    let error = #expect(throws: InteropError.self) { try PEFTImport(PEFTFolder(source)) }
    #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
  }

  @Test func anUnknownFieldWithoutAValueMeansNothing() throws {
    let folder = try TemporaryFolder()
    let source = try folder.copy(Repository.peft("gpt2_default"), to: "peft")
    try folder.edit(
      "peft/adapter_config.json", #""use_dora": false"#,
      #""use_dora": false, "a": null, "b": false, "c": "", "d": [], "e": {}"#)
    _ = try PEFTImport(PEFTFolder(source))
  }

  @Test func anUnknownFieldMayBeIgnoredByName() throws {
    let folder = try TemporaryFolder()
    let source = try folder.copy(Repository.peft("gpt2_default"), to: "peft")
    try folder.edit(
      "peft/adapter_config.json", #""use_dora": false"#, #""use_dora": false, "new_thing": 3"#)
    _ = try PEFTImport(PEFTFolder(source), choices: .init(ignoredFields: ["new_thing"]))
  }

  @Test(arguments: ["r", "init_lora_weights", "layer_replication", "not_there"])
  func aKnownFieldIsNotIgnored(_ field: String) throws {
    #expect(throws: InteropError.self) {
      try PEFTImport(
        PEFTFolder(Repository.peft("gpt2_default")), choices: .init(ignoredFields: [Name(field)]))
    }
  }

  @Test(arguments: [
    ("lora_A.weight", "lora_C.weight", "not understood"),
    ("lora_A.weight", "weird", "not understood"),
    ("lora_A.weight", "lora_A.weird", "no lora_A"),
    ("h.0.attn.c_attn.lora_B.weight", "h.9.attn.c_attn.lora_B.weight", "no lora_"),
    ("lora_B.weight", "lora_embedding_B", "no lora_B"),
    ("c_attn.lora_", "c_attn.base_layer.lora_", "no lora_"),
  ])
  func aTensorThatIsNotUnderstoodIsNamed(_ old: String, _ new: String, _ reason: String) throws {
    let folder = try TemporaryFolder()
    let source = try folder.copy(Repository.peft("gpt2_default"), to: "peft")
    try folder.rename(in: "peft/adapter_model.safetensors", old, to: new)
    let error = #expect(throws: InteropError.self) { try PEFTImport(PEFTFolder(source)) }
    #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
  }
}

import AdapterFormat
import AdapterInterop
import AdapterRuntime
import Checkpoints
import Operations
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// Folders of mlx-lm against what its own `fuse` makes of the base, which `Fixtures/makers/mlx_adapters.py` keeps.
@Suite struct MLXTests {
  struct Case: CustomStringConvertible {
    let name: String
    var base = "run-llama"

    var description: String { name }
    var folder: FilePath { Repository.fixtures.appending("mlx").appending(name) }
  }

  static let cases = [
    Case(name: "lora"), Case(name: "lora_all"), Case(name: "lora_embedding"), Case(name: "dora"),
    Case(name: "dora_embedding"), Case(name: "gpt2", base: "tiny-gpt2-hub"),
    Case(name: "experts", base: "tiny-mixtral"), Case(name: "full"),
  ]

  /// What the folder does to the base is what mlx-lm's `fuse` does.
  @Test(arguments: cases) func aFolderDoesWhatMLXDoes(_ fixture: Case) throws {
    let base = try Checkpoint(Repository.base(fixture.base))
    try ForeignMerge(try Self.read(fixture.folder, base), on: base).expect(
      fixture.folder.appending("fused.safetensors"))
  }

  /// Written again, it is the same: numbers, rank, scale and keys in effect.
  @Test(arguments: cases) func itGoesBack(_ fixture: Case) throws {
    let base = try Checkpoint(Repository.base(fixture.base))
    let adapter = try Self.read(fixture.folder, base)
    let folder = try TemporaryFolder()
    let export = try Formats.mlx.export(adapter, ExportChoices(base: base))
    #expect(export.losses.allSatisfy { $0.kind == .record }, "\(export.losses)")
    try export.write(to: folder.appending("out"), replacing: false)
    let back = try Self.read(folder.appending("out"), base)
    try ForeignMerge(back, on: base).expect(fixture.folder.appending("fused.safetensors"))
    let (ours, theirs) = try (
      SafetensorsFile(folder.appending("out").appending("adapters.safetensors")),
      SafetensorsFile(fixture.folder.appending("adapters.safetensors"))
    )
    #expect(Set(ours.header.tensors.map(\.info)) == Set(theirs.header.tensors.map(\.info)))
    for tensor in ours.header.tensors {
      let place = try #require(
        theirs.header.tensors.first { $0.info.name == tensor.info.name })
      let count = tensor.info.byteCount
      #expect(
        try ours.file.bytes(at: ours.offset(of: tensor), count: count)
          == theirs.file.bytes(at: theirs.offset(of: place), count: count),
        "\(tensor.info.name)")
    }
  }

  /// Adapters of PEFT with several ranks, scales, and experts keep what they do.
  @Test(arguments: [
    ("llama_all", "tiny-llama-f32"), ("llama_rslora", "tiny-llama-f32"),
    ("llama_rslora_patterns", "tiny-llama-f32"), ("llama_patterns", "tiny-llama-f32"),
    ("mixtral_experts", "tiny-mixtral"),
  ])
  func whatPEFTMadeComesBack(_ name: String, _ base: String) throws {
    let base = try Checkpoint(Repository.base(base))
    let adapter = try PEFTImport(PEFTFolder(Repository.peft(name))).adapter
    let folder = try TemporaryFolder()
    try Formats.mlx.export(adapter, ExportChoices(base: base)).write(
      to: folder.appending("out"), replacing: false)
    let back = try Self.read(folder.appending("out"), base)
    try ForeignMerge(back, on: base).expect(ForeignMerge(adapter, on: base))
  }

  @Test(arguments: [
    ("llama_ia3", "whole parameters alone"), ("llama_saved_head", "whole parameters alone"),
    ("llama_prefix", "whole parameters alone"),
  ])
  func whatHasNoPlaceIsRefused(_ name: String, _ reason: String) throws {
    let folder = try TemporaryFolder()
    let adapter = try PEFTImport(PEFTFolder(Repository.peft(name))).adapter
    let error = #expect(throws: InteropError.self) {
      try Formats.mlx.export(adapter).write(to: folder.appending("out"), replacing: false)
    }
    #expect(error?.kind == .notExpressible && error?.reason.contains(reason) == true)
    #expect(folder.names == [])
  }

  /// One fault each.
  @Test(arguments: [
    ("\"fine_tune_type\": \"lora\"", "\"fine_tune_type\": \"dora2\"", "lora, dora and full"),
    ("\"fine_tune_type\": \"lora\"", "\"fine_tune_type\": \"dora\"", "fine_tune_type is dora"),
    ("\"scale\": 3.5", "\"alpha\": 3.5", "alpha is not what mlx-lm reads"),
    ("\"scale\": 3.5", "\"scale\": \"x\"", "not a number"),
    ("\"rank\": 2", "\"rank\": 4", "are not [in, 4]"),
    ("\"num_layers\": 1", "\"num_layers\": 1.5", "not an integer"),
    ("self_attn.q_proj", "self_attn.k_proj", "lora_parameters.keys"),
  ])
  func aFaultIsNamed(_ old: String, _ new: String, _ reason: String) throws {
    let folder = try TemporaryFolder()
    let source = Self.cases[0].folder
    let config = String(
      decoding: try source.appending("adapter_config.json").contents, as: UTF8.self)
    try folder.write(Array(config.replacing(old, with: new).utf8), to: "adapter_config.json")
    try folder.write(source.appending("adapters.safetensors").contents, to: "adapters.safetensors")
    let error = #expect(throws: InteropError.self) { _ = try Self.read(folder.path, nil) }
    #expect("\(error.map(String.init(describing:)) ?? "")".contains(reason))
  }

  static func read(_ path: FilePath, _ base: Checkpoint?) throws -> Adapter {
    var choices = ImportChoices()
    choices.base = base
    return try Formats.mlx.read(ForeignSource(path), choices).adapter
  }
}

import AdapterFormat
import AdapterInterop
import AdapterRuntime
import Checkpoints
import Foundation
import Operations
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// Files of kohya's scripts, LyCORIS and diffusers against what these make of the base: `Fixtures/makers` keeps the
/// results of `kohya_adapters.py` and `diffusers_adapters.py`.
@Suite struct ImageFormatTests {
  /// A file, and the weights that its own program makes with it.
  struct Case: CustomStringConvertible {
    let format: any WritableFormat
    let name: String
    var base = "tiny-unet"

    var description: String { "\(format.name)/\(name)" }
    var path: FilePath { folder.appending("\(name).safetensors") }
    var merged: FilePath {
      folder.appending("\(name).\(format.name == "kohya" ? "merged" : "fused").safetensors")
    }
    private var folder: FilePath {
      Repository.fixtures.appending(name.hasPrefix("original") ? "diffusers" : format.name)
    }
    func checkpoint() throws -> Checkpoint { try Checkpoint(Repository.base(base)) }
  }

  static let kohya = [
    "dora", "dora_inputs", "full", "ia3", "loha", "loha_tucker", "lokr", "lokr_right",
    "lokr_tucker",
    "lokr_whole", "lora", "lora_alpha_0", "lora_half", "lora_no_alpha", "norms", "tucker",
  ].map { Case(format: Formats.kohya, name: $0) }

  static let diffusers =
    ["biases", "dora", "patterns", "plain", "processor", "rslora"].map {
      Case(format: Formats.diffusers, name: $0)
    } + [Case(format: Formats.diffusers, name: "flux", base: "tiny-flux")]

  @Test(arguments: kohya + diffusers) func aFileDoesWhatItsProgramDoes(_ fixture: Case) throws {
    let base = try fixture.checkpoint()
    for known in [base, nil] {
      try ForeignMerge(read(fixture.path, fixture.format, known), on: base).expect(fixture.merged)
    }
  }

  /// In each of the two formats it does the same again, with the base and without.
  @Test(arguments: kohya + diffusers) func itGoesBack(_ fixture: Case) throws {
    let base = try fixture.checkpoint()
    let folder = try TemporaryFolder()
    let adapter = try read(fixture.path, fixture.format, base)
    let formats =
      fixture.format.name == "kohya" && !["lora", "lora_half"].contains(fixture.name)
      ? [Formats.kohya] : [Formats.kohya, Formats.diffusers]
    for format in formats {
      let path = folder.appending("\(format.name).safetensors")
      let export = try format.export(adapter)
      #expect(export.losses.allSatisfy { $0.kind != .effect }, "\(export.losses)")
      try export.write(to: path, replacing: false)
      try ForeignMerge(read(path, format, nil), on: base).expect(fixture.merged)
    }
  }

  /// Modules under the names of the original models, on a base with those of diffusers.
  @Test(arguments: [("original_unet", "tiny-unet"), ("original_flux", "tiny-flux")])
  func originalNamesMeetTheBase(_ name: String, _ base: String) throws {
    let fixture = Case(format: Formats.kohya, name: name, base: base)
    let checkpoint = try fixture.checkpoint()
    let adapter = try read(fixture.path, Formats.kohya, checkpoint)
    try ForeignMerge(adapter, on: checkpoint).expect(
      Repository.fixtures.appending("diffusers").appending("\(name).fused.safetensors"))
  }

  /// A pipeline's folder: what changes is that of its part alone, and whatever else is there goes along, but for
  /// weights in other files.
  @Test(arguments: ["plain", "biases"]) func aPipelineIsMergedAsAWhole(_ name: String) throws {
    let folder = try TemporaryFolder()
    let pipeline = folder.appending("pipeline")
    for name in ["scheduler", "vae"] {
      try FileManager.default.createDirectory(
        atPath: pipeline.appending(name).string, withIntermediateDirectories: true)
    }
    try FileManager.default.copyItem(
      atPath: Repository.base("tiny-unet").string, toPath: pipeline.appending("unet").string)
    let others = ["model_index.json", "scheduler/scheduler_config.json", "vae/model.safetensors"]
    let weights = ["pipeline.ckpt", "unet/diffusion_pytorch_model.bin"]
    for name in others + weights {
      try pipeline.pushing(FilePath(name)).write(Array(name.utf8))
    }
    let fixture = Case(format: Formats.diffusers, name: name)
    let base = try Checkpoint(pipeline)
    func view(_ base: Checkpoint, as type: ElementType? = nil) throws -> AdaptedCheckpoint {
      let adapter = try read(fixture.path, fixture.format, base)
      return try AdaptedCheckpoint(base, applying: [WeightedAdapter(adapter)], as: type)
    }
    let out = folder.appending("out")
    let receipt = try Merge(view(base)).write(to: out, replacing: false)
    let part = folder.appending("part")
    try Merge(view(fixture.checkpoint())).write(to: part, replacing: false)
    #expect(try out.appending("unet").files == part.files)
    #expect(out.names == ["model_index.json", "scheduler", "unet", "vae"])
    for name in others { #expect(try out.pushing(FilePath(name)).contents == Array(name.utf8)) }
    #expect(receipt.omittedFiles.sorted() == weights)
    let other = folder.appending("other")
    #expect(throws: AdapterError.self) {
      try Merge(view(base, as: .f16)).write(to: other, replacing: false)
    }
    #expect(throws: AdapterError.self) {
      try Merge(view(base), shardByteCount: 1 << 20).write(to: other, replacing: false)
    }
    #expect(folder.names == ["out", "part", "pipeline"])
  }

  /// A single file of the original layout, whose parts have prefixes.
  @Test func aSingleFileIsABase() throws {
    let folder = try TemporaryFolder()
    var file = HandMadeCheckpoint()
    let weight = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight"
    let encoder =
      "cond_stage_model.transformer.text_model.encoder.layers.0.self_attn.q_proj.weight"
    file.add(Name(weight), [2, 2], [1, 2, 3, 4])
    file.add(Name(encoder), [2, 2], [1, 2, 3, 4])
    let base = try file.write(to: folder)
    var lora = HandMadeCheckpoint()
    for module in [
      "lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q",
      "lora_te_text_model_encoder_layers_0_self_attn_q_proj",
    ] {
      lora.add(Name(module + ".lora_down.weight"), [1, 2], [1, 10])
      lora.add(Name(module + ".lora_up.weight"), [2, 1], [1, 2])
    }
    let path = try folder.write(lora.bytes, to: "lora.safetensors")
    let view = try AdaptedCheckpoint(base, applying: read(path, Formats.kohya, base))
    #expect(view.changedNames == [Name(encoder), Name(weight)])
    let bytes = try #require(try view.contents(of: Name(weight)))
    #expect(doubles(bytes, .f32) == [2, 12, 5, 24])
  }

  /// Without a base a name comes back where the words that it is made of can be read in one way.
  @Test(arguments: [
    (
      "lora_unet_down_blocks_0_attentions_1_transformer_blocks_0_ff_net_0_proj",
      "unet.down_blocks.0.attentions.1.transformer_blocks.0.ff.net.0.proj.weight"
    ),
    ("lora_unet_mid_block_attentions_0_proj_out", "unet.mid_block.attentions.0.proj_out.weight"),
    (
      "lora_unet_up_blocks_1_resnets_2_time_emb_proj",
      "unet.up_blocks.1.resnets.2.time_emb_proj.weight"
    ),
    (
      "lora_unet_output_blocks_2_1_transformer_blocks_0_attn2_to_out_0",
      "unet.output_blocks.2.1.transformer_blocks.0.attn2.to_out.0.weight"
    ),
    (
      "lora_te_text_model_encoder_layers_10_mlp_fc1",
      "text_encoder.text_model.encoder.layers.10.mlp.fc1.weight"
    ),
    (
      "lora_te2_text_model_encoder_layers_3_self_attn_out_proj",
      "text_encoder_2.text_model.encoder.layers.3.self_attn.out_proj.weight"
    ),
    ("lora_unet_double_blocks_12_img_attn_qkv", "transformer.double_blocks.12.img_attn.qkv.weight"),
    (
      "lora_unet_single_blocks_3_modulation_lin",
      "transformer.single_blocks.3.modulation.lin.weight"
    ),
  ])
  func aNameIsRead(_ module: String, _ target: String) throws {
    let folder = try TemporaryFolder()
    var lora = HandMadeCheckpoint()
    lora.add(Name(module + ".lora_down.weight"), [1, 2], [1, 10])
    lora.add(Name(module + ".lora_up.weight"), [2, 1], [1, 2])
    let path = try folder.write(lora.bytes, to: "lora.safetensors")
    #expect(try read(path, Formats.kohya, nil).operations.map(\.target?.name.text) == [target])
  }

  // MARK: Faults

  /// One fault a file: a leaf, its shape, and what is said of it. `M` is a module of the base.
  @Test(arguments: [
    ("lora_unet_M.oft_blocks", [2, 2, 2], "rotates outputs by blocks"),
    ("lora_unet_M.dora_scale", [3, 3], "not a norm for each"),
    ("lora_unet_M.lora_mid.weight", [9, 9, 3, 3], "lora_mid"),
    ("lora_unet_M.hada_w1_a", [4, 2], "not a part of what else its module holds"),
    ("lora_unet_M.what", [1], "not a tensor of sd-scripts or LyCORIS that is known"),
    ("lora_unet_nothing_here.lora_up.weight", [4, 2], "the base has no module of this name"),
    (
      "lora_te_text_model_encoder_layers_0_mlp_fc1.lora_up.weight", [4, 2],
      "it is of a text encoder"
    ),
    ("unet.M.lora_A.weight", [4, 2], "not a tensor of sd-scripts or LyCORIS that is known"),
  ])
  func aFaultIsNamed(_ name: String, _ shape: [Int], _ reason: String) throws {
    let folder = try TemporaryFolder()
    let module = "down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    var lora = HandMadeCheckpoint()
    func add(_ leaf: String, _ shape: [Int]) {
      lora.add(
        Name(leaf.replacing("M", with: module)), shape,
        Array(repeating: 1, count: shape.reduce(1, *)))
    }
    add("lora_unet_M.lora_down.weight", [2, 4])
    if name != "lora_unet_M.lora_up.weight" { add("lora_unet_M.lora_up.weight", [4, 2]) }
    add(name, shape)
    let path = try folder.write(lora.bytes, to: "lora.safetensors")
    let base = try Checkpoint(Repository.base("tiny-unet"))
    let error = #expect(throws: (any Error).self) { _ = try read(path, Formats.kohya, base) }
    #expect("\(error.map(String.init(describing:)) ?? "")".contains(reason), "\(error as Any)")
  }

  /// Adapters of PEFT for a bare part of a pipeline name the part, or are refused with the option.
  @Test func aPartIsNamed() throws {
    let adapter = try PEFTImport(PEFTFolder(Repository.peft("conv_lora"))).adapter
    for format in [Formats.kohya, Formats.diffusers] {
      let error = #expect(throws: InteropError.self) { _ = try format.export(adapter) }
      #expect(error?.kind == .undecided(.component))
      let export = try format.export(adapter, ExportChoices(component: .unet))
      #expect(export.losses.allSatisfy { $0.kind != .effect })
    }
  }

  private func read(
    _ path: FilePath, _ format: any ForeignFormat, _ base: Checkpoint?
  ) throws -> Adapter {
    guard case .foreign(let found) = try PathContents(of: path) else {
      Issue.record("\(path) is not recognised")
      return try format.read(ForeignSource(path), ImportChoices()).adapter
    }
    #expect(found.name == format.name)
    var choices = ImportChoices()
    choices.base = base
    return try found.read(ForeignSource(path), choices).adapter
  }
}

import Checkpoints
import Foundation
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// The command on adapters of every method.
@Suite struct MethodCommandTests {
  @Test(arguments: PEFTCase.all)
  func inspectShowsEveryMethodIn80Columns(_ fixture: PEFTCase) throws {
    let result = try Command.adapter(
      "inspect", fixture.path.string, "--base", fixture.basePath.string)
    #expect(result.status == 0, "\(result.errors)")
    for line in result.output.split(separator: "\n").dropFirst() { #expect(line.count <= 80) }
    #expect(result.output.contains("\n  for      "))
    #expect(!result.output.contains("✘ cannot be applied"))
  }

  /// Each method in its own terms.
  @Test(arguments: [
    ("gpt2_ia3", ["output and bias", "distance from 1"]),
    ("llama_prompt_text", ["4 × 16, decoder", "norm of a row"]),
    ("llama_prefix", ["3 tokens, 2 layers, 2 heads of 4", "norm of a key", "norm of a value"]),
    ("gpt2_lora_bias", ["add_low_rank", "size of the change"]),
    ("llama_dora", ["magnitude"]), ("mixtral_experts", ["4 experts"]),
    ("llama_tokens", ["3 rows", "norm of a row"]), ("t5_prompt", ["unused   1 tensor"]),
  ])
  func inspectSpeaksTheMethodsTerms(_ name: String, _ words: [String]) throws {
    let result = try Command.adapter("inspect", Repository.peft(name).string)
    for word in words { #expect(result.output.contains(word), "\(result.output)") }
    let json = try Command.adapter("inspect", Repository.peft(name).string, "--json")
    _ = try JSONValue(document: Array(json.output.utf8), maximumDepth: 16)
  }

  @Test func factorsOfOneAreNoChange() throws {
    let folder = try TemporaryFolder()
    let source = try folder.copy(Repository.peft("gpt2_ia3"), to: "peft")
    // The last tensor of the file is the feed-forward vector, 20 of F32.
    try folder.overwriteEnd(
      of: "peft/adapter_model.safetensors",
      with: (0..<20).flatMap { _ in [0, 0, 0x80, 0x3F] as [UInt8] })
    let result = try Command.adapter("inspect", source.string)
    #expect(result.output.contains("! no change (zeros, or factors of one)"))
  }

  @Test func biasesThatPEFTLostAreSaid() throws {
    let folder = try TemporaryFolder()
    let source = try folder.copy(Repository.peft("gpt2_default"), to: "peft")
    try folder.edit("peft/adapter_config.json", #""bias": "none""#, #""bias": "lora_only""#)
    let file = folder.appending("a.adp").string
    let result = try Command.adapter("convert", source.string, "-o", file)
    #expect(result.errors.contains("warning: biases were trained (lora_only)"))
  }

  /// Biases in a file of their own: values alone, differences with the base.
  @Test func biasesConvertWithAndWithoutTheirBase() throws {
    let folder = try TemporaryFolder()
    let base = Repository.base("tiny-bias").appending("model.safetensors").string
    let tuned = Repository.fixtures.appending("bitfit/f32_small/tuned.safetensors").string
    let whole = folder.appending("whole.adp").string
    let extracted = try Command.adapter(
      "extract", base, tuned, "-o", whole, "--method", "bitfit")
    #expect(extracted.status == 0 && extracted.errors.contains("7 biases as F32 difference"))
    for (arguments, op) in [([], "replace"), (["--base", base], "add")] as [([String], String)] {
      let biases = try biasesAlone(tuned, in: folder)
      let file = folder.appending("biases-\(op).adp").string
      let result = try Command.run(
        Command.adapter, ["convert", biases, "-o", file] + arguments)
      #expect(result.status == 0, "\(result.errors)")
      let shown = try Command.adapter("inspect", file)
      #expect(shown.output.contains("  \(op) "), "\(shown.output)")
      let out = folder.appending("merged-\(op).safetensors")
      #expect(try Command.adapter("merge", base, file, "-o", out.string).status == 0)
      #expect(try out.contents == FilePath(tuned).contents)
    }
  }

  private func biasesAlone(_ path: String, in folder: TemporaryFolder) throws -> String {
    let checkpoint = try Checkpoint(FilePath(path))
    var made = HandMadeCheckpoint()
    for tensor in checkpoint.tensors where tensor.info.name.hasSuffix(".bias") {
      made.add(
        tensor.info.name, tensor.info.type, tensor.info.shape.dimensions,
        try tensor.contents())
    }
    return try folder.write(made.bytes, to: "biases.safetensors").string
  }

  /// PEFT's unmerged convolutions do not compute what a rotated kernel would.
  @Test func aRotatedConvolutionIsRefused() throws {
    let folder = try TemporaryFolder()
    let result = try Command.adapter(
      "convert", Repository.fixtures.appending("refused/oft_conv").string, "-o",
      folder.appending("a.adp").string, "--base", Repository.base("tiny-conv").string)
    #expect(result.status == 2 && result.errors.contains("conv"))
    #expect(folder.names == [])
  }

  @Test func aNameThatNothingFindsCanBeGiven() throws {
    let folder = try TemporaryFolder()
    let base = try Checkpoint(Repository.base("tiny-llama-16"))
    var made = HandMadeCheckpoint()
    try made.add(base) { $0.text.hasSuffix("layers.0.mlp.down_proj.weight") ? "odd" : $0 }
    let path = try folder.write(made.bytes, to: "base.safetensors").string
    let adapter = Repository.peft("llama_ia3").string
    let out = folder.appending("out.safetensors").string
    let refused = try Command.adapter("merge", path, adapter, "-o", out)
    #expect(refused.status == 2 && refused.errors.contains("--map TARGET=STORED"))
    let target = "model.layers.0.mlp.down_proj.weight"
    let merged = try Command.adapter(
      "merge", path, adapter, "-o", out, "--map", "\(target)=odd")
    #expect(merged.status == 0, "\(merged.errors)")
    let wrong = try Command.adapter("merge", path, adapter, "-o", out, "--force", "--map", "x=odd")
    #expect(wrong.status == 2 && wrong.errors.contains("the adapter does not change it"))
  }
}

import Foundation
import SystemPackage
import TestSupport
import Testing

/// What a user should know is said by inspect, by convert and before a merge.
@Suite struct WarningTests {
  private let folder: TemporaryFolder
  private let source: FilePath

  init() throws {
    folder = try TemporaryFolder()
    source = try folder.copy(Repository.peft("gpt2_default"), to: "peft")
  }

  private func expectWarning(_ text: String) throws {
    let file = folder.appending("a.adp").string
    let converted = try Command.adapter("convert", source.string, "-o", file)
    #expect(converted.status == 0 && converted.errors.contains("adapter: warning: \(text)"))
    // Long lines of inspect are folded.
    for path in [file, source.string] {
      let inspected = try Command.adapter("inspect", path)
      let words = inspected.output.split(whereSeparator: \.isWhitespace).joined(separator: " ")
      #expect(words.contains("! \(text)"), "\(inspected.output)")
    }
    let merged = try Command.adapter(
      "merge", Repository.base("tiny-gpt2").string, file, "-o", folder.appending("out").string)
    #expect(merged.errors.contains("adapter: warning: \(text)"), "\(merged.errors)")
  }

  @Test func aZeroScaleIsSaid() throws {
    try folder.edit("peft/adapter_config.json", #""lora_alpha": 32"#, #""lora_alpha": 0"#)
    try expectWarning("no change (zeros, or factors of one): transformer.h.0.attn.c_attn.weight")
  }

  @Test func aZeroBIsSaid() throws {
    // The last tensor of the file is B of the second layer: 96 × 8 of F32.
    try folder.overwriteEnd(
      of: "peft/adapter_model.safetensors", with: [UInt8](repeating: 0, count: 96 * 8 * 4))
    try expectWarning("no change (zeros, or factors of one): transformer.h.1.attn.c_attn.weight")
  }

  @Test func aLayoutThatTheBaseMustDecideIsSaid() throws {
    try folder.edit(
      "peft/adapter_config.json", #""fan_in_fan_out": true"#, #""fan_in_fan_out": false"#)
    let result = try Command.adapter("inspect", source.string)
    #expect(result.output.contains("· stored transposed or not, decided at the base"))
  }

  @Test func anEmptyAdapterIsSaid() throws {
    let manifest = #"{"adapters":[{"name":"a","method":"lora","operations":[],"streams":[]}]}"#
    let file = try folder.write(HandMade.file(manifest: manifest), to: "a.adp")
    let result = try Command.adapter("inspect", file.string)
    #expect(result.status == 0)
    #expect(result.output.contains("✘ no operation: it does nothing"))
  }

  @Test func aBaseThatDiffersElsewhereNeedsAWord() throws {
    let base = try folder.copy(Repository.base("tiny-gpt2"), to: "base")
    let file = folder.appending("a.adp").string
    _ = try Command.adapter("convert", source.string, "-o", file, "--base", base.string)
    // The end of the file is the last position's embedding, which the adapter leaves alone.
    try folder.overwriteEnd(of: "base/model.safetensors", with: [0, 0, 0, 0x3F])
    let out = folder.appending("out").string
    let refused = try Command.adapter("merge", base.string, file, "-o", out)
    #expect(refused.status == 2)
    #expect(refused.errors.contains("hint: to use it all the same: --allow-other-base"))
    let merged = try Command.adapter("merge", base.string, file, "-o", out, "--allow-other-base")
    #expect(merged.status == 0)
    #expect(
      merged.errors.contains(
        "adapter: warning: merged into another base, as asked: the adapter's targets match, but"))
  }

  @Test func aModuleThatIsNoTargetIsSaid() throws {
    try folder.edit("peft/adapter_config.json", #""c_attn""#, #""c_other""#)
    let result = try Command.adapter(
      "convert", source.string, "-o", folder.appending("a.adp").string)
    #expect(
      result.errors.contains("note: target_modules does not name transformer.h.0.attn.c_attn"))
  }
}

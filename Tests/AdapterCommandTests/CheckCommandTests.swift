import Checkpoints
import Foundation
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// `check` says what `merge` does; what it writes is in Tests/Transcripts/check.txt.
@Suite struct CheckCommandTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    let lines = """
      set -e
      cp -r '\(Repository.base("tiny-llama-f32"))' base
      cp '\(Repository.base("tiny-bias"))/model.safetensors' bias.safetensors
      cp -r '\(Repository.base("tiny-gpt2"))' gpt2
      adapter convert '\(Repository.peft("llama_rslora"))' -o lora.adp --base base
      adapter merge base lora.adp -o merged
      cp -r base other && cp -r base near
      """
    let result = try Command.shell(lines, in: folder.path)
    try #require(result.status == 0, "\(result.errors)")
    try folder.copy(Repository.peft("llama_rslora"), to: "peft")
    try folder.copy(Repository.peft("gpt2_ia3"), to: "ia3")
    try change("other/model.safetensors", "model.layers.0.self_attn.q_proj.weight")
    try change("near/model.safetensors", "model.norm.weight")
  }

  /// Turns the sign of a tensor's first element.
  private func change(_ file: String, _ name: Name) throws {
    var base = try EditedBase(Checkpoint(folder.appending(file)))
    base.tensors[name]?.bytes[3] ^= 0x80
    let made = try TemporaryFolder()
    _ = try base.write(to: made)
    try folder.write(try made.appending("model.safetensors").contents, to: file)
  }

  /// Wherever one goes the other goes, and where a base is refused one says no.
  @Test(arguments: [
    ("base lora.adp", 0), ("base peft", 0), ("base lora.adp:0.5 peft:0.5", 0),
    ("merged lora.adp", 1), ("other lora.adp", 1), ("near lora.adp", 1),
    ("near lora.adp --allow-other-base", 0), ("other lora.adp --allow-other-base", 1),
    ("base peft --require-fingerprint", 1), ("base lora.adp --require-fingerprint", 0),
    ("gpt2 lora.adp", 1), ("base peft other.adp", 2), ("missing lora.adp", 2),
    ("base peft --map x=y", 2), ("bias.safetensors ia3", 0),
    ("bias.safetensors lora.adp ia3", 1),
  ])
  func itSaysWhatMergeDoes(_ arguments: String, _ status: Int32) throws {
    let before = folder.names
    let check = try Command.shell("adapter check \(arguments)", in: folder.path)
    #expect(check.status == status, "\(check.output)\(check.errors)")
    #expect(check.output.isEmpty == (status == 2))
    #expect(folder.names == before)
    let merge = try Command.shell("adapter merge \(arguments) -o out", in: folder.path)
    #expect((merge.status == 0) == (check.status == 0), "\(merge.errors)")
    guard status == 1, let reason = merge.errors.split(separator: "error: ").last else { return }
    // The same words, but for the label of one of several.
    let line = try #require(reason.split(separator: "\n").first)
    #expect(check.output.contains(line.split(separator: "adp: ").last ?? line))
  }

  @Test func jsonHasAllNames() throws {
    var base = try EditedBase(Checkpoint(folder.appending("base")))
    let names = base.tensors.keys.filter { $0.text.contains("self_attn") }
    #expect(names.count == 8)
    for name in names { base.tensors[name]?.bytes[3] ^= 0x80 }
    let made = try TemporaryFolder()
    _ = try base.write(to: made)
    let result = try Command.shell(
      "adapter check '\(made.path)' lora.adp --json", in: folder.path)
    #expect(result.status == 1 && result.errors.isEmpty)
    let answer = try JSONFields(Array(result.output.utf8))
    #expect(
      answer.keys
        == [
          "schema", "base", "accepted", "changes_nothing", "adapters", "changed", "created",
          "resized",
        ])
    #expect(answer["accepted"] == .boolean(false))
    let entry = try JSONFields(try #require(try answer.array("adapters").first))
    #expect(entry["verdict"] == .string("targets_differ"))
    #expect(Set(try entry.strings("differing")) == Set(names.map(\.text)))
    #expect(entry["changed"] == .integer(8))
    let text = try Command.shell("adapter check '\(made.path)' lora.adp", in: folder.path).output
    #expect(text.contains("and 3 more, which --json lists"))
  }

  /// What would be found only while merging is found here too.
  @Test func valuesThatAreNoNumbersAreTrouble() throws {
    let tail: [UInt8] = [0, 0, 0xC0, 0x7F]
    try folder.overwriteEnd(of: "peft/adapter_model.safetensors", with: tail)
    let refused = try Command.shell("adapter check base peft", in: folder.path)
    #expect(refused.status == 2 && refused.errors.contains("holds a NaN or an infinity"))
    let accepted = try Command.shell(
      "adapter check base peft --allow-non-finite", in: folder.path)
    #expect(accepted.status == 0)
  }
}

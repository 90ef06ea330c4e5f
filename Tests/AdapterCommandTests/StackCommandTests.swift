import AdapterFormat
import Checkpoints
import Storage
import SystemPackage
import TestSupport
import Testing

/// `merge` with several adapters; what it says is in Tests/Transcripts/stack.txt.
@Suite struct StackCommandTests {
  /// A merge of two is not that of either, and weights of one adapter can be summed.
  @Test func weightsArriveAtTheWeights() throws {
    let folder = try TemporaryFolder()
    let base = Repository.base("tiny-llama-f32").appending("model.safetensors")
    let adapter = Repository.peft("llama_rslora").string
    func merge(_ name: String, _ adapters: String...) throws -> Checkpoint {
      let output = folder.appending("\(name).safetensors")
      let result = try Command.run(
        Command.adapter, ["merge", base.string] + adapters + ["-o", output.string],
        folder: folder.path)
      #expect(result.status == 0, "\(result.errors)")
      return try Checkpoint(output)
    }
    let one = try merge("one", adapter)
    let sum = try merge("sum", "\(adapter):1.5", "\(adapter):-5e-1")
    let whole = try merge("whole", "\(adapter):+1", "\(adapter):0")
    let original = try Checkpoint(base)
    var farthest: Float = 0
    for tensor in one.tensors {
      let (left, right) = (
        try values(tensor), try values(try #require(sum.tensor(tensor.info.name)))
      )
      #expect(zip(left, right).allSatisfy { abs($0 - $1) <= 0x1p-20 })
      #expect(try values(try #require(whole.tensor(tensor.info.name))) == left)
      let before = try values(try #require(original.tensor(tensor.info.name)))
      farthest = zip(left, before).reduce(farthest) { max($0, abs($1.0 - $1.1)) }
    }
    #expect(farthest > 0.01)
  }

  /// The second reader, which knows weights from the specification alone, comes to the same values.
  @Test(
    .enabled(if: Command.python != nil, "needs a python3 with numpy and zstandard"),
    arguments: [
      ("tiny-llama-16", ["llama_dora:0.4", "llama_tokens:1", "llama_dora:-0.25"]),
      ("tiny-gpt2-16", ["gpt2_dora:0.5", "gpt2_adalora:0.7", "gpt2_lora_bias:-2"]),
      ("tiny-bias", ["gpt2_ia3:0.3", "gpt2_ia3:-1.5"]),
    ])
  func theSecondReaderWeighsAlike(_ name: String, _ stack: [String]) throws {
    let folder = try TemporaryFolder()
    let base = Repository.base(name).appending("model.safetensors").string
    var lines = ["set -e"]
    for (place, entry) in stack.enumerated() {
      let adapter = entry.split(separator: ":")[0]
      lines.append(
        "adapter convert '\(Repository.peft(String(adapter)))' -o \(place).adp --base '\(base)'")
    }
    let weights = stack.map { String($0.split(separator: ":")[1]) }
    let packed = stack.indices.map { "a\($0)=\($0).adp" }.joined(separator: " ")
    let weighted = stack.indices.map { "'all.adp#a\($0):\(weights[$0])'" }
    lines += [
      "adapter pack \(packed) -o all.adp",
      "adapter merge '\(base)' \(weighted.joined(separator: " ")) -o ours.safetensors",
      "'\(try #require(Command.python))' '\(Repository.root)/Spec/full_reader.py' apply all.adp '\(base)' "
        + "theirs.safetensors \(weights.joined(separator: " "))",
    ]
    let result = try Command.shell(lines.joined(separator: "\n"), in: folder.path)
    #expect(result.status == 0, "\(result.output)\(result.errors)")
    let theirs = try Checkpoint(folder.appending("theirs.safetensors"))
    let original = try Checkpoint(FilePath(base))
    var changed = 0
    for tensor in try Checkpoint(folder.appending("ours.safetensors")).tensors {
      let stored = try #require(theirs.tensor(tensor.info.name))
      #expect(stored.info == tensor.info)
      let (ours, other) = (try values(tensor), try values(stored))
      let largest = ours.map(abs).max() ?? 0
      #expect(zip(ours, other).allSatisfy { abs($0 - $1) <= 0x1p-20 * largest })
      let before = try original.tensor(tensor.info.name).map(values)
      if before != ours { changed += 1 }
    }
    #expect(changed >= 3)
  }

  private func values(_ tensor: StoredTensor) throws -> [Float] {
    let bytes = try tensor.contents()
    return stride(from: 0, to: bytes.count, by: 4).map { start in
      Float(bitPattern: bytes[start..<start + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) })
    }
  }
}

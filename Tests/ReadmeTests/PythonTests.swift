import Checkpoints
import Foundation
import SystemPackage
import TestSupport
import Testing

/// The Python of Spec/folder.md is run as it stands, with numpy alone.
@Suite(.enabled(if: Command.python != nil, "needs a python3 with numpy"))
struct PythonTests {
  @Test func twoFilesOfNumpyBecomeAnAdapter() throws {
    let folder = try TemporaryFolder()
    let program = try #require(try fencedBlocks("python", of: "Spec/folder.md").first)
    let python = try #require(Command.python)
    let run = try Command.run(python, ["-c", program], folder: folder.path)
    #expect(run.status == 0, "\(run.errors)")
    let packed = try Command.run(
      Command.adapter, ["pack", "mine", "-o", "mine.adp"], folder: folder.path)
    #expect(packed.status == 0, "\(packed.errors)")
    let base = Repository.base("tiny-llama-f32").appending("model.safetensors")
    let merged = try Command.run(
      Command.adapter, ["merge", base.string, "mine.adp", "-o", "out.safetensors"],
      folder: folder.path)
    #expect(merged.status == 0, "\(merged.errors)")
    let name = "model.layers.0.self_attn.q_proj.weight"
    let (old, new) = (
      try values(base, name), try values(folder.appending("out.safetensors"), name)
    )
    // 2 · Σ 0.5 · 1 over a rank of 4.
    #expect(old.count == 1024 && zip(old, new).allSatisfy { $1 == $0 + 4 })
  }

  private func values(_ path: FilePath, _ name: String) throws -> [Float] {
    let tensor = try #require(try Checkpoint(path).tensors.first { "\($0.info.name)" == name })
    let bytes = try tensor.contents()
    return stride(from: 0, to: bytes.count, by: 4).map { start in
      Float(bitPattern: bytes[start..<start + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) })
    }
  }
}

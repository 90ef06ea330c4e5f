import AdapterFormat
import AdapterInterop
import Checkpoints
import Operations
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// Adapters of ONNX Runtime against one that it wrote, which `Fixtures/makers/onnx_adapters.py` keeps.
@Suite struct ONNXTests {
  private static let peer = Repository.fixtures.appending("onnx").appending("llama.onnx_adapter")
  private static let source = Repository.fixtures.appending("gguf").appending("llama")

  private func base() throws -> Checkpoint { try Checkpoint(Repository.base("run-llama")) }

  private func read(_ path: FilePath) throws -> Adapter {
    guard case .foreign(let format) = try PathContents(of: path) else {
      Issue.record("\(path) is not recognised")
      return try Formats.onnx.read(ForeignSource(path), ImportChoices()).adapter
    }
    #expect(format.name == "onnx")
    return try format.read(ForeignSource(path), ImportChoices()).adapter
  }

  /// Olive's file of a LoRA does what PEFT's does, and so does ours, which is the same.
  @Test func theirFileDoesWhatPEFTsDoes() throws {
    let peft = try PEFTImport(PEFTFolder(Self.source)).adapter
    let folder = try TemporaryFolder()
    let path = folder.appending("ours.onnx_adapter")
    let export = try Formats.onnx.export(peft)
    #expect(export.losses.allSatisfy { $0.kind != .effect })
    try export.write(to: path, replacing: false)
    let (theirs, ours) = (try read(Self.peer), try read(path))
    try ForeignMerge(theirs, on: base()).expect(ForeignMerge(peft, on: base()))
    #expect(Set(ours.tensors) == Set(theirs.tensors))
    for info in ours.tensors {
      #expect(try ours.contents(of: info.name) == theirs.contents(of: info.name), "\(info.name)")
    }
  }

  @Test(arguments: [
    ("llama_dora", "magnitude"), ("llama_ia3", "low-rank changes alone"),
    ("conv_lora", "convolutions"),
    ("mixtral_experts", "experts"),
  ])
  func whatHasNoPlaceIsRefused(_ name: String, _ reason: String) throws {
    let folder = try TemporaryFolder()
    let adapter = try PEFTImport(PEFTFolder(Repository.peft(name))).adapter
    let error = #expect(throws: InteropError.self) {
      try Formats.onnx.export(adapter).write(
        to: folder.appending("x.onnx_adapter"), replacing: false)
    }
    #expect(error?.kind == .notExpressible && error?.reason.contains(reason) == true)
    #expect(folder.names == [])
  }

  /// A stays as it is stored; B, times its scale, is F16 only where that is exact.
  @Test func typesAreKept() throws {
    let adapter = try PEFTImport(PEFTFolder(Repository.peft("llama_f16"))).adapter
    let folder = try TemporaryFolder()
    let path = folder.appending("x.onnx_adapter")
    try Formats.onnx.export(adapter).write(to: path, replacing: false)
    let back = try read(path)
    for operation in back.operations {
      let low = try #require(operation.as(AddLowRank.self))
      #expect(low.scale == 1 && low.a.type == .f16 && [.f16, .f32].contains(low.b.type))
    }
    let base = try Checkpoint(Repository.base("tiny-llama-f16"))
    try ForeignMerge(back, on: base).expect(ForeignMerge(adapter, on: base), tolerance: 1e-3)
  }

  /// Every beginning of a file is refused, and no byte that is another brings the reader down.
  @Test func damageIsAnError() throws {
    let whole = try Self.peer.contents
    for count in 8..<whole.count - 8 {
      #expect(throws: (any Error).self, "\(count)") {
        _ = try ForeignReaders.onnx(MemoryBytes(Array(whole[..<count])))
      }
    }
    for place in whole.indices {
      for value in [0, 0xFF, whole[place] ^ 0x80, whole[place] ^ 1] {
        var bytes = whole
        bytes[place] = value
        _ = try? ForeignReaders.onnx(MemoryBytes(bytes))
      }
    }
  }
}

import AdapterFormat
import AdapterInterop
import AdapterRuntime
import Operations
import Checkpoints
import Foundation
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// An adapter that records its base.
private func recorded(_ name: String) throws -> Adapter {
  let (adapter, checkpoint) = try base(of: name)
  return try BoundAdapter(adapter, to: checkpoint).recordingBase(checkpoint)
}

@Suite struct FingerprintTests {
  @Test func theBaseItWasMadeForMatches() throws {
    let view = try AdaptedCheckpoint(base(of: "llama_all").base, applying: recorded("llama_all"))
    #expect(view.verdict == .exact)
  }

  @Test func theSameBaseUnderOtherNamesMatches() throws {
    let hub = try Checkpoint(Repository.base("tiny-gpt2-hub"))
    #expect(try AdaptedCheckpoint(hub, applying: recorded("gpt2_all")).verdict == .exact)
    let (adapter, base) = try base(of: "gpt2_all")
    let fromHub = try BoundAdapter(adapter, to: hub).recordingBase(hub)
    #expect(try AdaptedCheckpoint(base, applying: fromHub).verdict == .exact)
  }

  /// A base of other names that also lacks a tensor is still held against the samples, and only that one is named.
  @Test func aMissingTensorIsNoLackOfSamples() throws {
    let folder = try TemporaryFolder()
    let hub = try Checkpoint(Repository.base("tiny-gpt2-hub"))
    let kept = hub.tensors.filter { $0.info.name != "ln_f.bias" }
    let header = SafetensorsHeader(canonical: kept.map(\.info), metadata: nil)
    var bytes = header.encoded
    for tensor in header.tensors {
      let stored = try #require(hub.tensor(tensor.info.name))
      bytes += try stored.contents()
    }
    let path = try folder.write(bytes, to: "model.safetensors")
    let error = #expect(throws: AdapterError.self) {
      try AdaptedCheckpoint(Checkpoint(path), applying: recorded("gpt2_all"))
    }
    #expect(
      error?.cause as? BaseVerdict == .structureDiffers(missing: ["ln_f.bias"], otherShape: []))
  }

  @Test func samplesWithoutTheTargetsAreNoMatch() throws {
    var adapter = try recorded("llama_all")
    let fingerprint = try #require(adapter.base?.fingerprint)
    let others = fingerprint.tensors.filter { $0.name.hasSuffix("norm.weight") }
    adapter.base?.fingerprint = FingerprintRecord(tensors: others, sketch: [])
    let error = #expect(throws: AdapterError.self) {
      try AdaptedCheckpoint(base(of: "llama_all").base, applying: adapter)
    }
    #expect(error?.kind == .targetsNotSampled)
    adapter.base?.fingerprint = FingerprintRecord(tensors: [], sketch: [])
    #expect(
      try AdaptedCheckpoint(base(of: "llama_all").base, applying: adapter).verdict == .unknown)
  }

  @Test func withoutSamplesTheNameIsTrusted() throws {
    let (adapter, base) = try base(of: "llama_all")
    #expect(try AdaptedCheckpoint(base, applying: adapter).verdict == .unknown)
  }

  /// The samples that Spec/full_reader.py would take are the same: shape, dtype and values enter.
  @Test func aChangedTargetIsRefused() throws {
    let folder = try TemporaryFolder()
    let path = try folder.copy(Repository.base("tiny-llama-f32"), to: "base")
    let checkpoint = try Checkpoint(path)
    let target = try #require(checkpoint.tensor("model.layers.0.self_attn.q_proj.weight"))
    try change(path.appending("model.safetensors"), target.info.name, byte: 402)
    let error = #expect(throws: AdapterError.self) {
      try AdaptedCheckpoint(Checkpoint(path), applying: recorded("llama_rslora"))
    }
    #expect(error?.cause as? BaseVerdict == .targetsDiffer([target.info.name]))
  }

  @Test func aChangedOtherTensorIsRefusedUnlessAllowed() throws {
    let folder = try TemporaryFolder()
    let path = try folder.copy(Repository.base("tiny-llama-f32"), to: "base")
    let other = try #require(try Checkpoint(path).tensor("model.norm.weight"))
    try change(path.appending("model.safetensors"), other.info.name, byte: 6)
    let adapter = try recorded("llama_rslora")
    let error = #expect(throws: AdapterError.self) {
      try AdaptedCheckpoint(Checkpoint(path), applying: adapter)
    }
    #expect(error?.kind == .othersDiffer)
    _ = try AdaptedCheckpoint(
      Checkpoint(path), applying: adapter, policy: .init(otherBase: .allow))
  }

  private func change(_ path: FilePath, _ name: Name, byte: Int) throws {
    let file = try SafetensorsFile(path)
    let tensor = try #require(file.header.tensors.first { $0.info.name == name })
    var bytes = try path.contents
    bytes[Int(file.offset(of: tensor)) + byte] ^= 0x40
    try Data(bytes).write(to: URL(fileURLWithPath: path.string))
  }
}

@Suite struct LayoutTests {
  /// GPT-2's attn.c_proj is square: only its siblings say how it is stored.
  @Test func squareWeightsAreDecidedByTheirSiblings() throws {
    let (adapter, base) = try unflagged()
    let bound = try BoundAdapter(adapter, to: base)
    for operation in bound.adapter.operations.compactMap({ $0.as(AddLowRank.self) }) {
      #expect(operation.target.layout == .inOut)
      #expect(operation.target.layoutSource == .sure)
    }
  }

  @Test func theDecidedLayoutGivesTheReference() throws {
    let (adapter, base) = try unflagged()
    let (flagged, _) = try TestSupport.base(of: "gpt2_all")
    let (first, second) = (
      try AdaptedCheckpoint(base, applying: adapter), try AdaptedCheckpoint(base, applying: flagged)
    )
    for name in first.changedNames {
      #expect(try first.contents(of: name) == second.contents(of: name))
    }
  }

  @Test func withoutEvidenceTheUserIsAsked() throws {
    let folder = try TemporaryFolder()
    let (adapter, base) = try unflagged()
    // Square weights alone, without biases, shapes or a configuration beside them.
    let square = base.tensors.filter { $0.info.name.hasSuffix("attn.c_proj.weight") }
    let header = SafetensorsHeader(canonical: square.map(\.info), metadata: nil)
    var bytes = header.encoded
    for tensor in header.tensors {
      let stored = try #require(square.first { $0.info == tensor.info })
      bytes += try stored.contents()
    }
    let path = try folder.write(bytes, to: "square.safetensors")
    var partial = adapter
    partial.operations = adapter.operations.filter {
      $0.target?.name.hasSuffix("attn.c_proj.weight") == true
    }
    let checkpoint = try Checkpoint(path)
    let error = #expect(throws: AdapterError.self) {
      try BoundAdapter(partial, to: checkpoint)
    }
    #expect(error?.kind == .undecidedLayout)
    let bound = try BoundAdapter(partial, to: checkpoint, choices: BindingChoices(layout: .inOut))
    for operation in bound.adapter.operations.compactMap({ $0.as(AddLowRank.self) }) {
      #expect(operation.target.layout == .inOut && operation.target.layoutSource == .sure)
    }
  }

  /// The adapter of GPT-2's square and other layers, as saved without `fan_in_fan_out`.
  private func unflagged() throws -> (adapter: Adapter, base: Checkpoint) {
    let folder = try TemporaryFolder()
    let source = try folder.copy(Repository.peft("gpt2_all"), to: "peft")
    try folder.edit(
      "peft/adapter_config.json", #""fan_in_fan_out": true"#, #""fan_in_fan_out": false"#)
    let adapter = try PEFTImport(PEFTFolder(source)).adapter
    return (adapter, try Checkpoint(Repository.base("tiny-gpt2")))
  }
}

import AdapterFormat
import AdapterInterop
import AdapterRuntime
import Operations
import Checkpoints
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// A real base, changed in the way that each verdict names.
@Suite struct BaseVerdictTests {
  private let folder: TemporaryFolder
  private let query: Name = "model.layers.0.self_attn.q_proj.weight"
  private let embedding: Name = "model.embed_tokens.weight"

  init() throws { folder = try TemporaryFolder() }

  private func recorded(_ name: String) throws -> (adapter: Adapter, base: EditedBase) {
    let (adapter, base) = try base(of: name)
    return (try BoundAdapter(adapter, to: base).recordingBase(base), try EditedBase(base))
  }

  /// The verdict that a merge is refused for.
  private func refusal(_ adapter: Adapter, _ base: EditedBase) throws -> BaseVerdict? {
    let checkpoint = try base.write(to: folder)
    // Nothing of this may be overridden.
    let error = #expect(throws: AdapterError.self) {
      try AdaptedCheckpoint(checkpoint, applying: adapter, policy: .init(otherBase: .allow))
    }
    guard let verdict = error?.cause as? BaseVerdict else { return nil }
    #expect(!verdict.isAccepted)
    return verdict
  }

  @Test func aLastBitIsNoOtherType() throws {
    var (adapter, base) = try recorded("llama_rslora")
    base.tensors[query]?.bytes[0] ^= 1
    #expect(try refusal(adapter, base) == .targetsDiffer([query]))
  }

  @Test func theWorstIsNamedFirst() throws {
    var (adapter, base) = try recorded("llama_rslora")
    let worse: Name = "model.layers.1.self_attn.v_proj.weight"
    for name in [query, worse] {
      let count = name == worse ? 32 : 1
      for place in 0..<count { base.tensors[name]?.bytes[4 * place + 3] ^= 0x80 }
    }
    #expect(try refusal(adapter, base) == .targetsDiffer([worse, query]))
  }

  @Test func moreRowsAreNoOtherBase() throws {
    var (adapter, base) = try recorded("llama_rslora")
    base.pad(embedding, rows: 8)
    base.pad("lm_head.weight", rows: 8)
    let view = try AdaptedCheckpoint(try base.write(to: folder), applying: adapter)
    #expect(view.verdict == .padded(["lm_head.weight", embedding]))
    #expect(view.verdict.isAccepted)
  }

  @Test func moreRowsAfterOtherValuesAreAnotherShape() throws {
    var (adapter, base) = try recorded("llama_rslora")
    base.pad(embedding, rows: 8)
    base.tensors[embedding]?.bytes[3] ^= 0x80
    #expect(
      try refusal(adapter, base) == .structureDiffers(missing: [], otherShape: [embedding]))
  }

  /// A tensor of more than 4,096 elements is sampled at places that its length decides: that which was recorded.
  @Test func largeTensorsArePaddedToo() throws {
    let (plain, stored) = try base(of: "llama_rslora")
    var base = try EditedBase(stored)
    base.tensors[embedding] = .init(
      .f32, [300, 32], HandMadeCheckpoint.bytes((0..<9600).map { Float($0 % 1009) - 504 }))
    let small = try base.write(to: try TemporaryFolder())
    let adapter = try BoundAdapter(plain, to: small).recordingBase(small)
    base.pad(embedding, rows: 700)
    let view = try AdaptedCheckpoint(try base.write(to: folder), applying: adapter)
    #expect(view.verdict == .padded([embedding]))
  }

  /// Rows of a vocabulary, and a low-rank change that is as long as it.
  @Test(arguments: ["llama_tokens", "llama_embed"])
  func paddingOfWhatTheAdapterSizesIsRefused(_ name: String) throws {
    var (adapter, base) = try recorded(name)
    base.pad(embedding, rows: 8)
    #expect(try refusal(adapter, base) == .targetsPadded([embedding]))
  }

  @Test func aMissingTensorIsNamed() throws {
    var (adapter, base) = try recorded("llama_rslora")
    base.tensors["lm_head.weight"] = nil
    // That of a tied model would be the embedding; this one is of another shape.
    base.tensors["model.norm.weight"] = nil
    let verdict = try refusal(adapter, base)
    guard case .structureDiffers(let missing, let shapes) = verdict else {
      return Issue.unexpected(verdict)
    }
    #expect(missing.contains("model.norm.weight") && shapes.isEmpty)
  }

  @Test func anotherShapeIsNamed() throws {
    var (adapter, base) = try recorded("llama_rslora")
    base.tensors["model.norm.weight"] = .init(.f32, [31], Array(repeating: 0, count: 124))
    #expect(
      try refusal(adapter, base)
        == .structureDiffers(missing: [], otherShape: ["model.norm.weight"]))
  }

  /// A target that differs is not forgiven because another one was not sampled.
  @Test func samplesThatAreMissingHideNothing() throws {
    var (adapter, base) = try recorded("llama_rslora")
    let fingerprint = try #require(adapter.base?.fingerprint)
    let rest = fingerprint.tensors.filter { $0.name != "model.layers.1.self_attn.v_proj.weight" }
    adapter.base?.fingerprint = FingerprintRecord(tensors: rest, sketch: fingerprint.sketch)
    base.tensors[query]?.bytes[3] ^= 0x80
    #expect(try refusal(adapter, base) == .targetsDiffer([query]))
  }

  @Test func aFingerprintCanBeAskedFor() throws {
    let (adapter, checkpoint) = try base(of: "llama_rslora")
    let policy = AdaptedCheckpoint.Policy(missingFingerprint: .refuse)
    let error = #expect(throws: AdapterError.self) {
      try AdaptedCheckpoint(checkpoint, applying: adapter, policy: policy)
    }
    #expect(error?.kind == .noFingerprint)
    let recorded = try recorded("llama_rslora").adapter
    #expect(
      try AdaptedCheckpoint(checkpoint, applying: recorded, policy: policy).verdict == .exact)
  }
}

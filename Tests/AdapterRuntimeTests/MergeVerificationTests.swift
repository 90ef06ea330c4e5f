import AdapterInsight
import AdapterRuntime
import Checkpoints
import Operations
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// A base with an adapter, and checkpoints that are nearly the merge.
private struct Scene {
  let folder: TemporaryFolder
  let view: AdaptedCheckpoint
  let fixture: PEFTCase

  init(_ name: String) throws {
    try self.init(try #require(PEFTCase.all.first { $0.name == name }))
  }

  init(_ fixture: PEFTCase) throws {
    let (adapter, base) = try open(fixture)
    self.fixture = fixture
    folder = try TemporaryFolder()
    view = try AdaptedCheckpoint(base, applying: adapter)
  }

  /// The merge in one file, each tensor as `edit` leaves it: nil for none.
  func merged(
    _ edit: (TensorInfo, [UInt8]) throws -> (type: ElementType, bytes: [UInt8])? = {
      ($0.type, $1)
    }
  ) throws -> Checkpoint {
    var file = HandMadeCheckpoint()
    for name in view.names {
      let (info, bytes) = (
        try #require(view.info(of: name)), try #require(try view.contents(of: name))
      )
      guard let (type, bytes) = try edit(info, bytes) else { continue }
      file.add(name, type, info.shape.dimensions, bytes)
    }
    try file.append(to: folder)
    return try Checkpoint(folder.appending("merged.safetensors"))
  }

  func verify(_ merged: Checkpoint, tolerance: Double = 0) throws -> MergeVerification {
    try MergeVerification(of: merged, as: view, tolerance: tolerance)
  }

  /// The values of the changed tensors, computed in float64 by another program.
  var reference: Checkpoint {
    get throws { try Checkpoint(fixture.result("reference.safetensors")) }
  }
}

extension HandMadeCheckpoint {
  fileprivate func append(to folder: TemporaryFolder) throws {
    try folder.write(bytes, to: "merged.safetensors")
  }
}

extension MergeVerification {
  fileprivate func names(_ kind: Kind) -> Set<String> {
    Set(tensors.filter { $0.kind == kind }.map(\.name.text))
  }

  fileprivate func tensor(_ name: Name) throws -> Tensor {
    try #require(tensors.first { $0.name == name })
  }
}

@Suite struct MergeVerificationTests {
  /// What a merge writes is what the verification expects, for every method.
  @Test(arguments: PEFTCase.mergeable)
  func aMergeOfOursIsIdentical(_ fixture: PEFTCase) throws {
    let scene = try Scene(fixture)
    let output = scene.folder.appending("out")
    _ = try Merge(scene.view).write(to: output, replacing: false)
    let answer = try scene.verify(try Checkpoint(output))
    #expect(answer.isConfirmed)
    #expect(answer.names(.identical) == fixture.changed)
    #expect(answer.names(.untouched).count == answer.tensors.count - fixture.changed.count)
    // The base itself is none.
    let unmerged = try scene.verify(scene.view.checkpoint, tolerance: 1e-3)
    #expect(!unmerged.isConfirmed)
    #expect(unmerged.names(.missing) == fixture.created)
  }

  /// One element moves by one unit towards the exact value, and beyond it: still one of its two neighbours. By
  /// two units it is none.
  @Test(arguments: ["llama_all", "llama_f16", "llama_dora_bf16"])
  func oneUnitIsRoundingAndTwoAreNot(_ name: String) throws {
    let scene = try Scene(name)
    let target = try #require(scene.view.changedNames.first)
    let exact = try scene.reference.values(target)
    var place = 0
    func moved(by units: Int) throws -> MergeVerification {
      try scene.verify(
        try scene.merged { info, bytes in
          guard info.name == target else { return (info.type, bytes) }
          let values = doubles(bytes, info.type)
          place = try #require(
            values.indices.first {
              abs(values[$0] - exact[$0]) > 0.4 * halfStep(exact[$0], info.type)
            })
          let isOutwards = abs(exact[place]) > abs(values[place])
          var bytes = bytes
          let pattern = Int(bytes[place * 2]) | Int(bytes[place * 2 + 1]) << 8
          let next = pattern + (isOutwards ? units : -units)
          (bytes[place * 2], bytes[place * 2 + 1]) = (UInt8(next & 0xFF), UInt8(next >> 8))
          return (info.type, bytes)
        })
    }
    let near = try moved(by: 1)
    #expect(near.isConfirmed)
    #expect(near.names(.withinOneRounding) == [target.text])
    #expect(near.names(.identical).count == scene.view.changedNames.count - 1)
    let largest = try #require(try near.tensor(target).difference?.largest)
    #expect(largest > 0.5 && largest <= 1)

    let far = try moved(by: 2)
    #expect(!far.isConfirmed)
    #expect(far.names(.differs) == [target.text])
    let difference = try #require(try far.tensor(target).difference)
    #expect(difference.count == 1)
    #expect(try #require(difference.largest) > 1.4 && difference.largest ?? 9 < 2)
    // Of all of the change it is little: that is what a tolerance measures.
    let tolerant = try scene.verify(
      Checkpoint(scene.folder.appending("merged.safetensors")), tolerance: 0.1)
    #expect(tolerant.isConfirmed && tolerant.names(.withinTolerance) == [target.text])
  }

  @Test func whatShouldNotHaveChangedIsFound() throws {
    let scene = try Scene("llama_all")
    let target: Name = "model.norm.weight"
    let answer = try scene.verify(
      try scene.merged { info, bytes in
        (info.type, info.name == target ? [bytes[0] ^ 2] + bytes.dropFirst() : bytes)
      }, tolerance: 0.5)
    #expect(!answer.isConfirmed && answer.names(.changed) == [target.text])
    let difference = try #require(try answer.tensor(target).difference)
    #expect(difference.count == 1 && difference.largest == 2 && difference.change == nil)
    #expect(answer.names(.identical) == scene.fixture.changed)
  }

  @Test func tensorsThatAreMissingOrAdditionalAreFound() throws {
    let scene = try Scene("llama_all")
    let (gone, new, cut, other): (Name, Name, Name, Name) = (
      "model.layers.1.mlp.up_proj.weight", "model.extra.weight", "model.norm.weight",
      "model.embed_tokens.weight"
    )
    var file = HandMadeCheckpoint()
    for tensor in try scene.merged().tensors where tensor.info.name != gone {
      let bytes = try tensor.contents()
      let (info, name) = (tensor.info, tensor.info.name)
      switch name {
      case cut: file.add(name, info.type, [bytes.count / 4], Array(bytes.prefix(bytes.count / 2)))
      case other: file.add(name, .i16, info.shape.dimensions, bytes)
      default: file.add(name, info.type, info.shape.dimensions, bytes)
      }
    }
    file.add(new, [1], [0])
    try file.append(to: scene.folder)
    let answer = try scene.verify(Checkpoint(scene.folder.appending("merged.safetensors")))
    #expect(!answer.isConfirmed)
    #expect(answer.names(.missing) == [gone.text] && answer.names(.additional) == [new.text])
    #expect(answer.names(.otherShape) == [cut.text] && answer.names(.otherType) == [other.text])
    #expect(answer.names(.identical) == scene.fixture.changed.subtracting([gone.text]))
  }

  /// PEFT's own merges: in F16 and BF16 within one rounding; in F32 it rounds every sum, so that changes are the
  /// exact ones to 10⁻⁴ at the worst.
  @Test(arguments: PEFTCase.mergeable.filter { $0.result("merged.safetensors").exists })
  func aMergeByPEFTIsJudged(_ fixture: PEFTCase) throws {
    let scene = try Scene(fixture)
    let theirs = try Checkpoint(fixture.result("merged.safetensors"))
    let merged = try scene.merged { info, bytes in
      guard let tensor = theirs.tensor(info.name) else { return (info.type, bytes) }
      return (
        tensor.info.type,
        try tensor.contents()
      )
    }
    let strict = try scene.verify(merged)
    let isNarrow = theirs.tensors.allSatisfy { [.f16, .bf16].contains($0.info.type) }
    #expect(strict.isConfirmed || !isNarrow)
    #expect(strict.names(.changed).isEmpty)
    let tolerant = try scene.verify(merged, tolerance: 1e-4)
    let distances = tolerant.tensors.compactMap { $0.difference?.change?.relativeDistance }
    #expect(tolerant.isConfirmed, "\(distances.max() ?? 0)")
  }

  /// Names are compared, not files.
  @Test func shardsDoNotMatter() throws {
    let scene = try Scene("llama_all")
    #expect(scene.view.checkpoint.shards.count == 4)
    let merged = try scene.merged()
    #expect(merged.shards.count == 1)
    #expect(try scene.verify(merged).names(.identical) == scene.fixture.changed)
    // And the other way round.
    let output = scene.folder.appending("sharded")
    _ = try Merge(scene.view).write(to: output, replacing: false)
    var single = HandMadeCheckpoint()
    try single.add(scene.view.checkpoint)
    try scene.folder.write(single.bytes, to: "base.safetensors")
    let view = try AdaptedCheckpoint(
      try Checkpoint(scene.folder.appending("base.safetensors")),
      applying: open(scene.fixture).adapter)
    #expect(try MergeVerification(of: Checkpoint(output), as: view).isConfirmed)
  }

  /// Reference values that another program computed, rounded once to another type, are a merge in that type; the
  /// rounded merge, widened, is none.
  @Test(
    arguments: ["llama_all", "gpt2_all", "llama_dora_bf16", "gpt2_dora"],
    [ElementType.f16, .bf16, .f32])
  func anotherTypeIsRoundedOnce(_ name: String, _ type: ElementType) throws {
    let scene = try Scene(name)
    let (base, reference) = (scene.view.checkpoint, try scene.reference)
    let merged = try scene.merged { info, _ in
      let source = reference.tensor(info.name) == nil ? base : reference
      return (type, try source.values(info.name).rounded(to: type))
    }
    let answer = try scene.verify(merged)
    let isOther = try #require(base.tensors.first).info.type != type
    #expect(answer.isConfirmed || !isOther)
    #expect(answer.names(.changed).isEmpty)
    guard isOther else { return }
    for tensor in answer.tensors { #expect(tensor.difference?.largest ?? 0 <= 0.51) }

    guard type == .f32 else { return }
    let widened = try scene.verify(
      try scene.merged { (type, doubles($1, $0.type).rounded(to: type)) })
    #expect(widened.names(.differs) == scene.fixture.changed && widened.names(.changed).isEmpty)
  }

  /// Values of the base that are not the base's rounded ones are found in another type, too.
  @Test func anotherTypeHidesNoChange() throws {
    let scene = try Scene("gpt2_all")
    let target: Name = "transformer.ln_f.weight"
    let answer = try scene.verify(
      try scene.merged { info, bytes in
        var values = doubles(bytes, info.type)
        if info.name == target { values[3] += values[3] * 0x1p-7 }
        return (.bf16, values.rounded(to: .bf16))
      })
    #expect(answer.names(.changed) == [target.text])
    #expect(try answer.tensor(target).difference?.count == 1)
  }

  /// All bytes are reported, those that are looked at twice once.
  @Test func progressAddsUp() throws {
    let scene = try Scene("llama_all")
    let merged = try scene.merged { ($0.type, $0.shape.count == 1 ? $1 : $1.reversed()) }
    let counts = Guarded((done: 0, total: 0 as UInt64))
    _ = try MergeVerification(of: merged, as: scene.view) { count, total in
      counts.withLock { $0 = ($0.done + count, total) }
    }
    let bytes = scene.view.names.compactMap { scene.view.info(of: $0)?.byteCount }.reduce(0, +)
    #expect(counts.withLock { $0.done } == bytes && counts.withLock { $0.total } == UInt64(bytes))
  }
}

import AdapterFormat
import AdapterRuntime
import Operations
import Checkpoints
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// BitFit: the biases of a fine-tuned copy, as an adapter that gives them back.
@Suite struct ExtractionTests {
  private static let cases = ["f32_small", "f32_large", "f16"]

  private func pair(_ name: String) throws -> (base: Checkpoint, tuned: FilePath) {
    let folder = Repository.fixtures.appending("bitfit").appending(name)
    let fields = try JSONFields(folder.appending("case.json").contents)
    return (
      try Checkpoint(Repository.base(try fields.string("base"))),
      folder.appending("tuned.safetensors")
    )
  }

  private func bytes(_ tensor: StoredTensor) throws -> [UInt8] {
    try tensor.contents()
  }

  @Test(arguments: cases, [false, true])
  func everyByteComesBack(_ name: String, _ holdsValues: Bool) throws {
    let (base, path) = try pair(name)
    let tuned = try Checkpoint(path)
    let extraction = try BiasExtraction(
      from: base, to: tuned, options: .init(holdsValues: holdsValues))
    let view = try AdaptedCheckpoint(base, applying: extraction.adapter)
    #expect(view.verdict == .exact)
    for tensor in tuned.tensors {
      #expect(try view.contents(of: tensor.info.name) == bytes(tensor))
    }
    let changed = try tuned.tensors.filter { tensor in
      try bytes(tensor) != bytes(try #require(base.tensor(tensor.info.name)))
    }
    #expect(view.changedNames == changed.map(\.info.name).sorted())
    #expect(holdsValues == extraction.forms.allSatisfy { $0.form == .value })
    let folder = try TemporaryFolder()
    let receipt = try Merge(view).write(to: folder.appending("out"), replacing: false)
    #expect(receipt.proven == receipt.changed)
  }

  /// The cheapest form that restores a bias is taken: the fixture's maker found the same by trying.
  @Test func theFirstFormThatRestoresIsTaken() throws {
    let (base, path) = try pair("f32_large")
    let extraction = try BiasExtraction(from: base, to: try Checkpoint(path))
    let forms = Dictionary(uniqueKeysWithValues: extraction.forms.map { ($0.name.text, $0.form) })
    let layer = "transformer.h.0."
    #expect(
      forms == [
        layer + "attn.c_proj.bias": .single, layer + "ln_1.bias": .double,
        layer + "attn.c_attn.bias": .double, layer + "mlp.c_fc.bias": .double,
        layer + "ln_2.bias": .value, layer + "mlp.c_proj.bias": .value,
      ])
  }

  @Test func aBaseThatIsAnotherIsNotProven() throws {
    let (base, path) = try pair("f32_small")
    var adapter = try BiasExtraction(from: base, to: try Checkpoint(path)).adapter
    let folder = try TemporaryFolder()
    var other = HandMadeCheckpoint()
    try other.add(base)
    var edited = other.bytes
    edited[edited.count - 1] ^= 1
    try folder.write(edited, to: "model.safetensors")
    let changed = try Checkpoint(folder.path)
    #expect(throws: AdapterError.self) { try AdaptedCheckpoint(changed, applying: adapter) }
    adapter.base = nil
    _ = try AdaptedCheckpoint(changed, applying: adapter)
  }

  private func tuned(
    _ folder: TemporaryFolder, _ name: Name, _ values: [Float]
  ) throws -> Checkpoint {
    var made = HandMadeCheckpoint()
    made.add("a.weight", [2], name == "a.weight" ? values : [1, 2])
    made.add("a.bias", [2], name == "a.bias" ? values : [3, 4])
    return try made.write(to: folder)
  }

  @Test func otherChangesAreNamed() throws {
    let (first, second) = (try TemporaryFolder(), try TemporaryFolder())
    let base = try tuned(first, "", [])
    let other = try tuned(second, "a.weight", [1, 3])
    let error = #expect(throws: AdapterError.self) { try BiasExtraction(from: base, to: other) }
    #expect(error?.description.contains("a.weight") == true)
    #expect(error?.kind == .otherChanges)
    let extraction = try BiasExtraction(from: base, to: other, options: .init(leavesOthers: true))
    #expect(extraction.left == ["a.weight"] && extraction.forms.isEmpty)
  }

  @Test func otherModelsAreRefused() throws {
    let folder = try TemporaryFolder()
    let base = try tuned(folder, "", [])
    for (name, shape) in [("a.bias", [3]), ("b.bias", [2])] as [(Name, [Int])] {
      let other = try TemporaryFolder()
      var made = HandMadeCheckpoint()
      made.add("a.weight", [2], [1, 2])
      made.add(name, shape, [Float](repeating: 1, count: shape[0]))
      let checkpoint = try made.write(to: other)
      #expect(throws: AdapterError.self) { try BiasExtraction(from: base, to: checkpoint) }
    }
  }

  /// Biases alone are as good as the whole model.
  @Test func biasesAloneAreEnough() throws {
    let (first, second) = (try TemporaryFolder(), try TemporaryFolder())
    let base = try tuned(first, "", [])
    var made = HandMadeCheckpoint()
    made.add("a.bias", [2], [3.5, 4])
    let extraction = try BiasExtraction(from: base, to: try made.write(to: second))
    #expect(extraction.forms.map(\.form) == [.single])
    let view = try AdaptedCheckpoint(base, applying: extraction.adapter)
    #expect(try view.contents(of: "a.bias") == HandMadeCheckpoint.bytes([3.5, 4]))
  }
}

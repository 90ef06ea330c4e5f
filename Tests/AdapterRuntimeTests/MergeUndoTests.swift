import AdapterFormat
import AdapterRuntime
import Operations
import Checkpoints
import Foundation
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// What takes a merge back (Spec/operations/Restore.md).
@Suite struct MergeUndoTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  /// Writes an undo to a file and opens that: what is lost on the way would be lost for a user.
  private func written(_ undo: MergeUndo, _ name: String = "undo.adp") throws -> Adapter {
    let output = try OutputFile(folder.appending(name), replacing: true)
    try Adapter.write([undo.adapter], to: output)
    try output.commit()
    return try #require(try Adapter.open(folder.appending(name)).first)
  }

  private func contents(_ path: FilePath) throws -> [String: [UInt8]] {
    var files: [String: [UInt8]] = [:]
    for name in try FileManager.default.contentsOfDirectory(atPath: path.string) {
      files[name] = try path.appending(name).contents
    }
    return files
  }

  /// Of every method and element type the base comes back, each file byte for byte, or the merge is refused before it
  /// is made.
  @Test(arguments: PEFTCase.mergeable)
  func theBaseComesBackBitForBit(_ fixture: PEFTCase) throws {
    let (adapter, base) = try open(fixture)
    let choices = BindingChoices(ties: .untie)
    let view = try AdaptedCheckpoint(
      base, applying: adapter, policy: AdaptedCheckpoint.Policy(choices: choices))
    let isRefused = view.tensors.contains { $0.kind != .changed }
    #expect((try? MergeUndo.check(view)) == nil ? isRefused : !isRefused)
    guard !isRefused else { return }
    let path = folder.appending("merged")
    try Merge(view).write(to: path, replacing: false)
    let merged = try Checkpoint(path)
    let undo = try written(MergeUndo(of: view, in: merged))
    let back = try AdaptedCheckpoint(merged, applying: undo)
    #expect(back.verdict == .exact)
    let receipt = try Merge(back).write(to: folder.appending("back"), replacing: false)
    #expect(receipt.proven == view.changedNames)
    #expect(Set(receipt.changed) == Set(view.changedNames))
    for (name, bytes) in try contents(folder.appending("back")) {
      #expect(bytes == (try fixture.basePath.appending(name).contents), "\(name)")
    }
  }

  /// Of a low-rank change nearly every difference is nothing, and so it is stored.
  @Test(arguments: ["llama_all", "llama_f16", "llama_rslora"])
  func ofLowRankNearlyNothingIsLeft(_ name: String) throws {
    let (adapter, base) = try open(try #require(PEFTCase.all.first { $0.name == name }))
    let view = try AdaptedCheckpoint(base, applying: adapter)
    try Merge(view).write(to: folder.appending("merged"), replacing: false)
    let undo = try MergeUndo(of: view, in: Checkpoint(folder.appending("merged"))).adapter
    var (zeros, all) = (0, 0)
    for tensor in undo.tensors where [.u16, .u32].contains(tensor.type) {
      let bytes = try undo.contents(of: tensor.name)
      let width = tensor.type.bitWidth / 8
      all += tensor.shape.count
      zeros += stride(from: 0, to: bytes.count, by: width).count { place in
        bytes[place..<place + width].allSatisfy { $0 == 0 }
      }
    }
    #expect(all > 1000)
    #expect(Double(zeros) > 0.5 * Double(all), "\(zeros) of \(all)")
  }

  /// A stack, weights below 0 and adapters that share tensors are taken back as one.
  @Test func aStackIsTakenBack() throws {
    let base = try Checkpoint(Repository.base("tiny-llama"))
    func adapter(_ name: String) throws -> Adapter {
      try open(try #require(PEFTCase.all.first { $0.name == name })).adapter
    }
    let stack = [
      WeightedAdapter(try adapter("llama_bf16"), weight: 0.7),
      WeightedAdapter(try adapter("llama_dora_bf16"), weight: -0.3),
      WeightedAdapter(try adapter("llama_all"), weight: -1.25),
    ]
    let view = try AdaptedCheckpoint(base, applying: stack)
    try Merge(view).write(to: folder.appending("merged"), replacing: false)
    let merged = try Checkpoint(folder.appending("merged"))
    let undo = try written(MergeUndo(of: view, in: merged))
    let back = try AdaptedCheckpoint(merged, applying: undo)
    for name in view.changedNames {
      let stored = try #require(base.tensor(name))
      let bytes = try stored.contents()
      #expect(try back.contents(of: name) == bytes)
      #expect(try view.contents(of: name) != bytes)
    }
  }

  /// What restores bits stands alone, as a whole, on elements as wide ([RES-2]).
  @Test func bitsAreRestoredAloneAndAsAWhole() throws {
    let (adapter, base) = try open(try #require(PEFTCase.all.first { $0.name == "llama_all" }))
    let view = try AdaptedCheckpoint(base, applying: adapter)
    try Merge(view).write(to: folder.appending("merged"), replacing: false)
    let merged = try Checkpoint(folder.appending("merged"))
    let undo = try written(MergeUndo(of: view, in: merged))
    let policy = AdaptedCheckpoint.Policy(otherBase: .allow)
    #expect(throws: AdapterError.self) {
      try AdaptedCheckpoint(merged, applying: [WeightedAdapter(undo, weight: 0.5)], policy: policy)
    }
    let nothing = try AdaptedCheckpoint(merged, applying: [WeightedAdapter(undo, weight: 0)])
    #expect(nothing.changedNames.isEmpty)
    var plain = adapter
    plain.base = nil
    for stack in [[plain, undo], [undo, plain], [undo, undo]] {
      let error = #expect(throws: AdapterError.self) {
        try AdaptedCheckpoint(merged, applying: stack.map { WeightedAdapter($0) }, policy: policy)
      }
      #expect((error?.cause as? StackConflict)?.kind == .restored)
    }
    let narrow = try AdaptedCheckpoint(
      merged, applying: [WeightedAdapter(undo)], as: .f16, policy: policy)
    #expect(throws: AdapterError.self) { try narrow.contents(of: view.changedNames[0]) }
  }

  /// z of a difference that wraps round, of both signs, by the specification's own words.
  @Test func theExampleOfTheSpecification() throws {
    var made = HandMadeCheckpoint()
    made.add("w", .bf16, [1, 1], [0x81, 0x3F])
    let base = try made.write(to: folder)
    func tensor(_ name: Name, _ type: ElementType, _ bytes: [UInt8]) throws -> TensorContents {
      let shape = try #require(Shape([1, 1]))
      return TensorContents(
        TensorInfo(name: name, type: type, shape: shape), bytes: MemoryBytes(bytes), offset: 0)
    }
    let tensors = [
      try tensor("z", .u16, [3, 0]),
      try tensor("l", .f32, HandMadeCheckpoint.bytes([0.0078125])),
      try tensor("r", .f32, HandMadeCheckpoint.bytes([1])),
    ]
    let restore = Restore(
      target: Target("w"), difference: TypedOperand(tensors[0].info),
      left: TypedOperand(tensors[1].info), right: TypedOperand(tensors[2].info),
      result: Digest(of: [0x7E, 0x3F]))
    let adapter = Adapter(
      name: "undo", method: "undo", operations: [try Operation(restore)], inert: [], source: nil,
      files: [], base: nil, tensors: tensors)
    let view = try AdaptedCheckpoint(base, applying: adapter)
    #expect(try view.contents(of: "w") == [0x7E, 0x3F])
  }
}

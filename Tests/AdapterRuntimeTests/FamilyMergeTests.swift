import AdapterRuntime
import Checkpoints
import Operations
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// Small models of well-known families, with LoRA on their linear layers, embeddings and output layers, and with these
/// saved whole: the merge is what transformers writes of PEFT's weights, under the names of its files.
@Suite struct FamilyMergeTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let family: String
    let kind: String
    let isUntied: Bool

    var testDescription: String { "\(family), \(kind)" }
  }

  private static let folder = Repository.fixtures.appending("families")
  /// Without its ties this one scales what its decoder gives otherwise.
  private static let scaledByTie = "t5"

  static let cases: [Case] = {
    guard let bytes = try? folder.appending("cases.json").contents,
      let families = try? JSONValue(document: bytes, maximumDepth: 8).members
    else { return [] }
    return families.flatMap { family in
      let kinds = (try? JSONFields(family.value)["kinds"]?.members) ?? []
      return kinds.map { kind in
        Case(family: family.key.text, kind: kind.key.text, isUntied: kind.value == .boolean(true))
      }
    }
  }()

  @Test func thereAreTwentyFamilies() {
    #expect(Set(Self.cases.map(\.family)).count >= 20)
    #expect(Self.cases.contains { $0.isUntied })
  }

  @Test(arguments: cases)
  func mergesAreThoseOfTransformers(_ one: Case) throws {
    let folder = Self.folder.appending(one.family)
    let base = try Checkpoint(folder.appending("base"))
    let adapter = try adapter(at: folder.appending(one.kind), for: base)
    func view(_ ties: BindingChoices.Ties) throws -> AdaptedCheckpoint {
      try AdaptedCheckpoint(
        base, applying: adapter, policy: .init(choices: BindingChoices(ties: ties)))
    }
    if one.isUntied {
      let error = #expect(throws: AdapterError.self) { try view(.refuse) }
      guard one.family != Self.scaledByTie else {
        #expect(error?.kind == .inseparable)
        #expect(throws: AdapterError.self) { try view(.untie) }
        return
      }
      #expect(error?.kind == .tied)
    }
    try expectSame(try view(one.isUntied ? .untie : .refuse), folder.appending(one.kind))
  }

  private func expectSame(_ view: AdaptedCheckpoint, _ folder: FilePath) throws {
    let wanted = try Checkpoint(folder.appending("merged.safetensors"))
    #expect(Set(view.names) == Set(view.checkpoint.names).union(wanted.names))
    for name in view.names {
      let bytes = try #require(try view.contents(of: name))
      guard let tensor = wanted.tensor(name) else {
        #expect(try view.checkpoint.tensor(name)?.contents() == bytes, "\(name)")
        continue
      }
      let (ours, theirs) = (doubles(bytes, tensor.info.type), try wanted.values(name))
      let largest = theirs.map(abs).max() ?? 0
      #expect(ours.count == theirs.count)
      let worst = zip(ours, theirs).map { abs($0 - $1) }.max() ?? 0
      #expect(worst <= 1e-6 * max(1, largest), "\(name)")
    }
  }
}

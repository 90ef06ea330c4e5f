import AdapterInsight
import AdapterRuntime
import Checkpoints
import Operations
import Storage
import StrictJSON
import TestSupport
import Testing

/// What a view changes, held against dense matrices in float64.
@Suite struct ChangeMeasurementTests {
  @Test(arguments: PEFTCase.mergeable)
  func changesOnTheBaseAreThoseOfDenseMatrices(_ fixture: PEFTCase) throws {
    let checkpoint = try Checkpoint(fixture.basePath)
    let view = try AdaptedCheckpoint(
      checkpoint, applying: try fixture.adapter(),
      policy: .init(choices: .init(missingBias: .create, ties: .untie)))
    let measured = try ChangeMeasurement(view)
    var count = 0
    for reference in try DenseChange.all(of: fixture.name) {
      guard reference.kind == "matrix" || reference.kind == "vector",
        let expected = reference["fro"], expected > 0,
        checkpoint.tensor(reference.name)?.info.type != .i64
      else { continue }
      let tensor = try #require(measured.tensors.first { $0.name == reference.name })
      let change = try #require(tensor.change)
      #expect(agree(change.leftNorm, expected, 1e-6), "\(reference.name): \(change.leftNorm)")
      if let relative = reference["relative"], tensor.weightNorm > 0 {
        #expect(agree(change.leftNorm / tensor.weightNorm, relative, 1e-6))
      }
      count += 1
    }
    let matrices = try DenseChange.all(of: fixture.name).filter { $0.kind == "matrix" }
    #expect(count > 0 || matrices.isEmpty)
  }

  /// A base makes DoRA comparable with the rest.
  @Test(arguments: EffectPair.all.filter { $0.kind == "matrices" })
  func distancesOnTheBaseAreThoseOfDenseMatrices(_ pair: EffectPair) throws {
    let base = try Checkpoint(Repository.base("tiny-llama"))
    let measured = try ChangeMeasurement(
      try AdaptedCheckpoint(base, applying: try adapter(at: pair.left)),
      try AdaptedCheckpoint(base, applying: try adapter(at: pair.right)))
    for (name, expected) in pair.targets {
      let tensor = try #require(measured.tensors.first { $0.name == Name(name) })
      let change = try #require(tensor.change)
      let scale = max(expected.leftNorm, expected.rightNorm)
      // The base's values are a hundred times larger than the last digits of a change.
      #expect(agree(change.distance, expected.distance, 1e-9, scale: scale), "\(name)")
      #expect(agree(change.leftNorm, expected.leftNorm, 1e-9))
    }
  }
}

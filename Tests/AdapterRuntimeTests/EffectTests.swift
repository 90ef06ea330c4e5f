import AdapterFormat
import AdapterInsight
import AdapterInterop
import AdapterRuntime
import Checkpoints
import Operations
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

private func adapter(_ path: FilePath) throws -> Adapter {
  try PEFTImport(PEFTFolder(path)).adapter
}

/// Whether two numbers agree to a share of the larger, or of `scale`.
private func agree(
  _ left: Double, _ right: Double, _ tolerance: Double, scale: Double = 0
) -> Bool {
  abs(left - right) <= tolerance * max(abs(left), abs(right), scale)
}

/// Effects from small cores, held against dense matrices in float64.
@Suite struct EffectTests {
  /// Methods whose change the adapter alone shows.
  @Test(arguments: PEFTCase.mergeable)
  func effectsAreThoseOfDenseMatrices(_ fixture: PEFTCase) throws {
    let adapter = try adapter(fixture.path)
    let effects = try AdapterEffects(of: adapter)
    let dense = Dictionary(
      uniqueKeysWithValues: try DenseChange.all(of: fixture.name).map { ($0.name, $0) })
    for effect in effects.targets {
      guard let name = effect.target, let norm = effect.changeNorm, let reference = dense[name],
        let expected = reference["fro"], reference.kind == "matrix" || reference.kind == "vector"
      else { continue }
      #expect(agree(norm, expected, 1e-11), "\(name): \(norm), not \(expected)")
      guard let spectrum = effect.measures[0].spectrum, reference.kind == "matrix" else { continue }
      let largest = reference.sigma.first ?? 0
      for (value, sigma) in zip(spectrum.values, reference.sigma) {
        #expect(agree(value, sigma, 1e-11, scale: largest), "\(name): σ \(value), not \(sigma)")
      }
      for rest in spectrum.values.dropFirst(reference.sigma.count) {
        #expect(rest <= 1e-9 * largest)
      }
      #expect(agree(spectrum.spectralNorm, reference["spectral"] ?? .nan, 1e-11))
      #expect(agree(spectrum.effectiveRank, reference["effective_rank"] ?? .nan, 1e-7))
      #expect(agree(spectrum.stableRank, reference["stable_rank"] ?? .nan, 1e-9))
    }
  }

  /// With the base: every method.
  @Test(arguments: PEFTCase.mergeable)
  func changesOnTheBaseAreThoseOfDenseMatrices(_ fixture: PEFTCase) throws {
    let checkpoint = try Checkpoint(fixture.basePath)
    let view = try AdaptedCheckpoint(
      checkpoint, applying: try adapter(fixture.path),
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
}

/// Pairs of adapters, held against dense matrices in float64.
@Suite struct EffectComparisonTests {
  private static let weights = EffectPair.all.filter {
    ["matrices", "vectors"].contains($0.kind)
  }

  private func isComparable(_ pair: EffectPair) -> Bool {
    // DoRA's change depends on the base.
    ![pair.left, pair.right].contains { $0.lastComponent?.string == "dora" }
  }

  @Test(arguments: weights)
  func distancesAreThoseOfDenseMatrices(_ pair: EffectPair) throws {
    guard isComparable(pair) else { return }
    let comparison = try EffectComparison(
      try adapter(pair.left), try adapter(pair.right), .angles)
    #expect(comparison.isEqual(tolerance: 1e-6) == pair.isSameEffect)
    for (name, expected) in pair.targets {
      let target = try #require(comparison.targets.first { $0.name == Name(name) })
      let part = try #require(target.parts.first)
      let scale = max(expected.leftNorm, expected.rightNorm)
      #expect(agree(part.leftNorm, expected.leftNorm, 1e-11))
      #expect(agree(part.rightNorm, expected.rightNorm, 1e-11))
      #expect(agree(part.distance, expected.distance, 1e-11, scale: scale), "\(name)")
      if let cosine = expected.cosine { #expect(agree(part.cosine ?? .nan, cosine, 1e-11)) }
      guard pair.kind == "matrices", expected.leftNorm * expected.rightNorm > 0 else { continue }
      for (angles, dense) in [
        (part.outputAngles, expected.columnAngles), (part.inputAngles, expected.rowAngles),
      ] {
        let values = try #require(angles).values
        #expect(values.count == dense.count, "\(name)")
        for (value, angle) in zip(values, dense) {
          #expect(abs(value - angle) <= 1e-10, "\(name): \(value), not \(angle)")
        }
      }
    }
  }

  /// A base makes DoRA comparable with the rest.
  @Test(arguments: weights)
  func distancesOnTheBaseAreThoseOfDenseMatrices(_ pair: EffectPair) throws {
    guard pair.kind == "matrices" else { return }
    let base = try Checkpoint(Repository.base("tiny-llama"))
    let measured = try ChangeMeasurement(
      try AdaptedCheckpoint(base, applying: try adapter(pair.left)),
      try AdaptedCheckpoint(base, applying: try adapter(pair.right)))
    for (name, expected) in pair.targets {
      let tensor = try #require(measured.tensors.first { $0.name == Name(name) })
      let change = try #require(tensor.change)
      let scale = max(expected.leftNorm, expected.rightNorm)
      // The base's values are a hundred times larger than the last digits of a change.
      #expect(agree(change.distance, expected.distance, 1e-9, scale: scale), "\(name)")
      #expect(agree(change.leftNorm, expected.leftNorm, 1e-9))
    }
  }

  @Test(arguments: EffectPair.all.filter { ["prompt", "prefix"].contains($0.kind) })
  func rowsOfPromptsAreCompared(_ pair: EffectPair) throws {
    let comparison = try EffectComparison(try adapter(pair.left), try adapter(pair.right))
    #expect(!comparison.isEqual(tolerance: 1e-6))
    let distances = try #require(comparison.targets.first?.prompt)
    for (row, columns) in distances.rows.enumerated() {
      let keys =
        pair.kind == "prompt"
        ? ["token \(row)"] : ["keys of layer \(row)", "values of layer \(row)"]
      for (distance, key) in zip(columns, keys) {
        let expected = try #require(pair.targets[key])
        #expect(agree(distance, expected.distance, 1e-11), "\(key)")
      }
    }
  }
}

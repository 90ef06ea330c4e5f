import AdapterInsight
import Operations
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// Effects from small cores, held against dense matrices in float64.
@Suite struct EffectTests {
  /// Methods whose change the adapter alone shows.
  @Test(arguments: PEFTCase.mergeable)
  func effectsAreThoseOfDenseMatrices(_ fixture: PEFTCase) throws {
    let adapter = try fixture.adapter()
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
      try adapter(at: pair.left), try adapter(at: pair.right), .angles)
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

  @Test(arguments: EffectPair.all.filter { ["prompt", "prefix"].contains($0.kind) })
  func rowsOfPromptsAreCompared(_ pair: EffectPair) throws {
    let comparison = try EffectComparison(try adapter(at: pair.left), try adapter(at: pair.right))
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

import Fuzzing
import SystemPackage
import TestSupport
import Testing

/// The fuzzers' bodies, without the fuzzers.
@Suite struct ReplayTests {
  @Test(arguments: FuzzSeeds.crashes)
  func whatWasFoundOnceIsHarmless(_ target: FuzzTarget, _ path: FilePath) throws {
    let bytes = try path.contents
    // Some of them took minutes once.
    let seconds = try processorSeconds { try target.run(bytes) }
    #expect(seconds < 20)
  }

  @Test(arguments: FuzzTarget.allCases)
  func everyTargetHasInputsThatWereFound(_ target: FuzzTarget) {
    #expect(FuzzSeeds.crashes.contains { $0.target == target })
  }

  /// The script has seeds for it, and the README its name.
  @Test(arguments: FuzzTarget.allCases)
  func everyTargetCanBeFuzzed(_ target: FuzzTarget) throws {
    func text(_ name: String) throws -> String {
      String(decoding: try Repository.root.pushing(FilePath(name)).contents, as: UTF8.self)
    }
    #expect(try text(".ci/fuzz").contains("\n  \(target.rawValue))\n"))
    #expect(try text("README.md").contains("`\(target.rawValue)`"))
  }

  /// A body that accepts nothing would find nothing.
  @Test(arguments: FuzzTarget.allCases)
  func fixturesAreAcceptedAndKeepAllPromises(_ target: FuzzTarget) throws {
    let seeds = try FuzzSeeds.all(of: target)
    let accepted = try seeds.count { try target.run($0) }
    #expect(accepted > 20)
    // All but the files that are there to be refused, and what is carried and cannot be decoded.
    if target != .container { #expect(accepted == seeds.count) }
  }

  /// The mutators keep so much of an input's form that readers accept some of what they make.
  @Test(arguments: FuzzTarget.allCases)
  func mutatedFixturesKeepAllPromises(_ target: FuzzTarget) throws {
    let seeds = try FuzzSeeds.all(of: target).filter { $0.count < 16_384 }
    var (made, accepted) = (0, 0)
    for round in 0..<3 as Range<UInt64> {
      for (index, seed) in seeds.enumerated() {
        let number = UInt64(index) << 8 | round
        guard let input = target.mutate(seed, limit: 16_384, seed: number) else { continue }
        made += 1
        if try target.run(input) { accepted += 1 }
      }
    }
    #expect(made > seeds.count && accepted > 10, "\(made) made, \(accepted) accepted")
  }
}

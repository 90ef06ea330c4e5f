import Foundation
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

  /// The script has a length for it, and CONTRIBUTING.md its name.
  @Test(arguments: FuzzTarget.allCases)
  func everyTargetCanBeFuzzed(_ target: FuzzTarget) throws {
    func text(_ name: String) throws -> String {
      String(decoding: try Repository.root.pushing(FilePath(name)).contents, as: UTF8.self)
    }
    #expect(try text(".ci/fuzz").contains("\n  \(target.rawValue))\n"))
    #expect(try text("CONTRIBUTING.md").contains("`\(target.rawValue)`"))
  }

  /// A body that accepts nothing would find nothing.
  @Test(arguments: FuzzTarget.allCases)
  func fixturesAreAcceptedAndKeepAllPromises(_ target: FuzzTarget) throws {
    let seeds = try target.seeds()
    let accepted = try seeds.count { try target.run($0) }
    #expect(accepted > 20)
    // All but what is there to be refused: files, what is carried and cannot be decoded, and folders of others.
    if ![.container, .job].contains(target) { #expect(accepted == seeds.count) }
  }

  /// The mutators keep so much of an input's form that readers accept some of what they make.
  @Test(arguments: FuzzTarget.allCases)
  func mutatedFixturesKeepAllPromises(_ target: FuzzTarget) throws {
    let seeds = try target.seeds().filter { $0.count < 16_384 }
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

  /// For as long as the environment says, in a build without sanitizers: what takes files is twenty times as fast there.
  /// What is accepted is mutated on. The input at hand is in a file, should it end the program.
  @Test(.enabled(if: Storm.seconds != nil), arguments: Storm.targets)
  func aStormOfMutationsKeepsAllPromises(_ target: FuzzTarget) throws {
    let end = ContinuousClock.now + .seconds(Storm.seconds ?? 0)
    var random = SeededGenerator(seed: UInt64.random(in: .min ... .max))
    var pool = try target.seeds().filter { $0.count < 16_384 }
    let last = URL(fileURLWithPath: "\(Storm.folder)/\(target.rawValue)-\(random.next())")
    var (made, accepted) = (0, 0)
    while ContinuousClock.now < end {
      var input = pool.randomElement(using: &random) ?? []
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        input = target.mutate(input, limit: 16_384, seed: random.next()) ?? input
      }
      try Data(input).write(to: last)
      made += 1
      guard try target.run(input) else { continue }
      accepted += 1
      if pool.count < 4096 {
        pool.append(input)
      } else if random.next() % 16 == 0 {
        pool[Int.random(in: 0..<4096, using: &random)] = input
      }
    }
    try FileManager.default.removeItem(at: last)
    print("\(target.rawValue): \(made) inputs, \(accepted) accepted")
  }
}

/// What a storm is asked for: `ADAPTER_STORM=600` for ten minutes of each target, `ADAPTER_STORM=600:pair` of one.
private enum Storm {
  static let words = (ProcessInfo.processInfo.environment["ADAPTER_STORM"] ?? "")
    .split(separator: ":").map(String.init)
  static let seconds = words.first.flatMap { Int($0) }
  static let targets =
    words.dropFirst().first.map { name in
      FuzzTarget.allCases.filter { $0.rawValue == name }
    } ?? FuzzTarget.allCases
  static let folder = FileManager.default.temporaryDirectory.path
}

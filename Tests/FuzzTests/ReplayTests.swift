import Fuzzing
import Storage
import SystemPackage
import TestSupport
import Testing

/// What `.ci/fuzz` runs, over the fixtures and over what it once found.
@Suite struct ReplayTests {
  /// Fixtures that a target reads, and files that were made from crashes of it.
  private static func seeds(_ target: FuzzTarget) throws -> [[UInt8]] {
    let crashes = Repository.fixtures.appending("crashes").appending(target.rawValue)
    let paths: [FilePath] =
      switch target {
      case .container:
        ["valid", "invalid"].flatMap {
          Repository.files(below: Repository.fixtures.appending($0), suffix: ".adp")
        }
      case .json: Repository.files(below: Repository.peft(""), suffix: ".json")
      case .safetensors: Repository.files(below: Repository.peft(""), suffix: ".safetensors")
      case .index: Repository.files(below: Repository.base(""), suffix: ".json")
      case .peft: []
      }
    let files = try (paths + Repository.files(below: crashes, suffix: "")).map { try $0.contents }
    return try files + (target == .peft ? peftInputs() : [])
  }

  private static func peftInputs() throws -> [[UInt8]] {
    try Repository.peftCases.map { name in
      let folder = Repository.peft(name)
      let config = try folder.appending("adapter_config.json").contents
      let weights = try folder.appending("adapter_model.safetensors").contents
      let length = weights.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
      return PEFTInput(config: config, header: Array(weights.dropFirst(8).prefix(length))).bytes
    }
  }

  @Test(arguments: FuzzTarget.allCases)
  func everySeedKeepsItsPromises(_ target: FuzzTarget) throws {
    let seeds = try Self.seeds(target)
    #expect(seeds.count > 10)
    for seed in seeds { try target.run(seed) }
  }

  /// Some mutations of each: what the fuzzer does, for a moment.
  @Test(.timeLimit(.minutes(2)), arguments: FuzzTarget.allCases)
  func everyMutationKeepsItsPromises(_ target: FuzzTarget) throws {
    for (number, seed) in try Self.seeds(target).enumerated() where seed.count < 16_384 {
      for round in 0..<4 {
        let mutation = target.mutate(seed, limit: 65_536, seed: UInt64(number * 4 + round))
        if let mutation { try target.run(mutation) }
      }
    }
  }
}

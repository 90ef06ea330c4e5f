import Fuzzing
import SystemPackage
import TestSupport

/// Inputs for the fuzzers' bodies.
enum FuzzSeeds {
  /// Inputs that once ended a program, took too long or broke a promise, and some of their kind.
  static let crashes: [(target: FuzzTarget, path: FilePath)] = FuzzTarget.allCases.flatMap {
    target in
    let folder = Repository.fixtures.appending("crashes").appending(target.rawValue)
    return Repository.files(below: folder, suffix: "").map { (target, $0) }
  }

  /// What `.ci/fuzz` begins with: the fixtures that are of a target's form.
  static func all(of target: FuzzTarget) throws -> [[UInt8]] {
    let fixtures = Repository.fixtures
    switch target {
    case .container:
      return try ["valid", "invalid"].flatMap {
        try files(below: fixtures.appending($0), suffix: ".adp")
      }
    case .json: return try files(below: fixtures, suffix: "config.json")
    case .safetensors:
      return try files(below: fixtures.appending("peft"), suffix: "model.safetensors")
    case .index:
      let bases = fixtures.appending("bases")
      return try files(below: bases, suffix: ".json")
    case .peft: return try Repository.peftCases.map { try adapter(Repository.peft($0)) }
    }
  }

  private static func files(below folder: FilePath, suffix: String) throws -> [[UInt8]] {
    try Repository.files(below: folder, suffix: suffix).map { try $0.contents }
  }

  /// The configuration and the header of an adapter of PEFT.
  private static func adapter(_ folder: FilePath) throws -> [UInt8] {
    let weights = try folder.appending("adapter_model.safetensors").contents
    let length = weights[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    return PEFTInput(
      config: try folder.appending("adapter_config.json").contents,
      header: Array(weights[8..<8 + length])
    ).bytes
  }
}

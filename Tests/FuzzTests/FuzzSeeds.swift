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
}

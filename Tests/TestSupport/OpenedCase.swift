package import AdapterInterop
internal import AdapterRuntime
package import Checkpoints
package import Operations
package import SystemPackage
import Testing

/// The adapter and the base of the case of this name below Fixtures/peft.
package func base(of name: String) throws -> (adapter: Adapter, base: Checkpoint) {
  try open(PEFTCase.named(name))
}

/// A case's adapter and its base.
package func open(_ fixture: PEFTCase) throws -> (adapter: Adapter, base: Checkpoint) {
  let base = try Checkpoint(fixture.basePath)
  return (try adapter(at: fixture.path, for: base), base)
}

/// The adapter of a folder that PEFT wrote; the base is needed where its shapes say what it means.
package func adapter(at path: FilePath, for base: Checkpoint? = nil) throws -> Adapter {
  try PEFTImport(PEFTFolder(path), choices: choices(for: base)).adapter
}

/// Returns a base's answers to the questions that a foreign file leaves open.
package func choices(for base: Checkpoint?) -> ImportChoices {
  guard let base else { return ImportChoices() }
  return ImportChoices(resolve: { targets in try base.resolved(targets) })
}

extension PEFTCase {
  /// Its adapter, imported for its base.
  package func adapter() throws -> Adapter { try imported().adapter }

  /// It, imported for its base.
  package func imported() throws -> PEFTImport {
    try PEFTImport(PEFTFolder(path), choices: choices(for: Checkpoint(basePath)))
  }
}

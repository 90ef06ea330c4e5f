internal import AdapterInterop
package import Checkpoints
package import Operations
package import SystemPackage
import Testing

/// The adapter and the base of the case of this name below Fixtures/peft.
package func base(of name: String) throws -> (adapter: Adapter, base: Checkpoint) {
  try open(try #require(PEFTCase.all.first { $0.name == name }))
}

/// A case's adapter and its base.
package func open(_ fixture: PEFTCase) throws -> (adapter: Adapter, base: Checkpoint) {
  (try adapter(at: fixture.path), try Checkpoint(fixture.basePath))
}

/// The adapter of a folder that PEFT wrote.
package func adapter(at path: FilePath) throws -> Adapter {
  try PEFTImport(PEFTFolder(path)).adapter
}

import AdapterRuntime
package import Checkpoints
package import Operations
import Storage
import StrictJSON
package import SystemPackage
import Testing

/// The result of an adapter on a base: the tensors that it changes, compared with those of another program.
package struct ForeignMerge {
  private let base: Checkpoint
  private let view: AdaptedCheckpoint

  package init(_ adapter: Adapter, on base: Checkpoint) throws {
    self.base = base
    view = try AdaptedCheckpoint(base, applying: adapter)
  }

  /// The changed tensors are those of a file: relative to the change itself, and to the weight as far as F32 goes.
  package func expect(_ path: FilePath, tolerance: Double = 3e-6) throws {
    let file = try Checkpoint(path)
    #expect(Set(view.changedNames) == Set(file.names) && !view.changedNames.isEmpty)
    for name in view.changedNames {
      #expect(view.info(of: name)?.shape == file.tensor(name)?.info.shape, "\(name)")
      try compare(name, try file.values(name), tolerance)
    }
  }

  /// The changed tensors are those of another adapter.
  package func expect(_ other: ForeignMerge, tolerance: Double = 3e-6) throws {
    #expect(view.changedNames == other.view.changedNames && !view.changedNames.isEmpty)
    for name in view.changedNames { try compare(name, try other.values(of: name), tolerance) }
  }

  private func compare(_ name: Name, _ theirs: [Double], _ tolerance: Double) throws {
    let ours = try values(of: name)
    let before = base.tensor(name) == nil ? theirs.map { _ in 0 } : try base.values(name)
    try #require(ours.count == theirs.count && before.count == ours.count, "\(name)")
    let change = zip(theirs, before).map { abs($0 - $1) }.max() ?? 0
    let size = theirs.map(abs).max() ?? 0
    let worst = zip(ours, theirs).map { abs($0 - $1) }.max() ?? 0
    #expect(
      worst <= tolerance * change + 2.5e-7 * size && change > 0,
      "\(name): off by \(worst), the change is \(change)")
  }

  private func values(of name: Name) throws -> [Double] {
    let type = try #require(view.info(of: name)).type
    return doubles(try #require(try view.contents(of: name)), type)
  }
}

internal import Storage
internal import StrictJSON

/// The parts of parameters that were decoded last, of a whole base: what is stored across to how it is read would be read
/// over and over, and what each parameter kept for itself would add up to the base.
final class RecentParts<Part: Sendable>: Sendable {
  private struct Entry: Sendable {
    let parameter: Name
    let index: Int
    let part: Pending
  }

  /// A part that one thread makes, for which the others wait.
  private typealias Pending = Guarded<Part?>

  private let entries = Guarded<[Entry]>([])
  private let limit: Int

  init(limit: Int) { self.limit = limit }

  /// A part, made where it is not at hand.
  func part(
    _ index: Int, of parameter: Name, _ make: () throws(StorageError) -> Part
  ) throws(StorageError) -> Part {
    let pending = entries.withLock { entries in
      if let known = entries.last(where: { $0.index == index && $0.parameter == parameter }) {
        return known.part
      }
      if entries.count >= limit { entries.removeFirst() }
      let new = Pending(nil)
      entries.append(Entry(parameter: parameter, index: index, part: new))
      return new
    }
    return try pending.withLock { known throws(StorageError) in
      if let known { return known }
      let part = try make()
      known = part
      return part
    }
  }
}

/// The memory that the readers of a base's parameters share: some tens of MiB for the widest models.
struct DecodingMemory: Sendable {
  /// So few elements, as samples of a base are, are not worth a panel.
  static let sampleCount = 64

  /// A part for each thread of a merge, and two that the next ones begin with.
  private static let panelCount = ConcurrentWork.waitingWorkers + 2

  /// Some rows of values, of what is stored by columns.
  let panels = RecentParts<[Float]>(limit: panelCount)
  let columnPanels = RecentParts<ColumnPanel>(limit: panelCount)
  /// Values are made in their order, so that all threads are at two experts that follow each other.
  let experts = RecentParts<MXFP4Stack.Expert>(limit: 3)
}

internal import Storage

/// The parts of a tensor that were decoded last: what is stored across to how it is read would be read over and over.
final class RecentParts<Part: Sendable>: Sendable {
  private let parts = Guarded<[(index: Int, part: Part)]>([])
  private let limit: Int

  init(limit: Int) { self.limit = limit }

  /// A part, made where it is not at hand.
  func part(
    _ index: Int, _ make: () throws(StorageError) -> Part
  ) throws(StorageError) -> Part {
    if let known = parts.withLock({ $0.last { $0.index == index }?.part }) { return known }
    let part = try make()
    parts.withLock { parts in
      if parts.count >= limit { parts.removeFirst() }
      parts.append((index, part))
    }
    return part
  }
}

internal import Synchronization

/// Which loaded model something belongs to: places of layers, and sizes, are those of one model only.
struct ModelIdentity: Sendable, Hashable {
  private static let count = Atomic<UInt64>(0)
  private let number = Self.count.add(1, ordering: .relaxed).newValue
}

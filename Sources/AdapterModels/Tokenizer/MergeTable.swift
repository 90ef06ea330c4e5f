/// Which pairs of tokens merge into which token, and in what order.
struct MergeTable: Sendable {
  /// The result of merging a pair, and the rank of its rule: the earlier in the file, the earlier it is applied.
  struct Merge {
    let rank: UInt32
    let id: Int32
  }

  private struct Slot {
    var key: UInt64
    var merge: Merge
  }

  /// Open addressing; the key `free` is no pair.
  private var slots: [Slot]
  private let shift: UInt64
  /// Odd and random: nobody can prepare pairs that collide.
  private let factor: UInt64
  private static let free = UInt64.max

  /// Makes room for so many rules.
  init(capacity: Int) {
    var bits: UInt64 = 4
    while 1 << bits < capacity * 2 { bits += 1 }
    slots = [Slot](
      repeating: Slot(key: Self.free, merge: Merge(rank: 0, id: 0)), count: 1 << bits)
    shift = 64 - bits
    factor = UInt64.random(in: 0...UInt64.max) | 1
  }

  /// Adds a rule; false where its pair has one already.
  mutating func insert(_ left: Int32, _ right: Int32, rank: UInt32, id: Int32) -> Bool {
    let key = Self.key(left, right)
    let slot = find(key)
    guard slots[slot].key == Self.free else { return false }
    slots[slot] = Slot(key: key, merge: Merge(rank: rank, id: id))
    return true
  }

  /// Returns the merge of a pair; nil if the pair stays.
  subscript(left: Int32, right: Int32) -> Merge? {
    let slot = slots[find(Self.key(left, right))]
    return slot.key == Self.free ? nil : slot.merge
  }

  private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  private func find(_ key: UInt64) -> Int {
    var slot = Int((key &* factor) >> shift)
    while slots[slot].key != key, slots[slot].key != Self.free {
      slot = (slot + 1) & (slots.count - 1)
    }
    return slot
  }
}

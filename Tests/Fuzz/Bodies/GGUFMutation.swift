import TestSupport

/// A GGUF file of the kinds of entries that adapters have, taken apart so that a change of one part leaves the others
/// where a reader expects them.
struct GGUFParts {
  private var head: [UInt8]
  private var entries: [[UInt8]] = []
  private var tensors: [[UInt8]] = []
  private var data: [UInt8]

  /// Nil where the bytes have another form.
  init?(_ bytes: [UInt8]) {
    var position = 24
    func integer(_ at: Int, _ count: Int) -> Int? {
      guard at >= 0, at <= bytes.count - count else { return nil }
      let value = bytes[at..<at + count].reversed().reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
      return Int(exactly: value)
    }
    func text(_ at: Int) -> Int? {
      guard let count = integer(at, 8), count <= bytes.count - at - 8 else { return nil }
      return at + 8 + count
    }
    guard let tensorCount = integer(8, 8), let entryCount = integer(16, 8), tensorCount < 4096,
      entryCount < 256
    else { return nil }
    head = Array(bytes[..<8])
    for _ in 0..<entryCount {
      let start = position
      guard let value = text(start), let type = integer(value, 4) else { return nil }
      let end = type == 8 ? text(value + 4) : value + 4 + (type >= 10 ? 8 : 4)
      guard let end, end <= bytes.count else { return nil }
      entries.append(Array(bytes[start..<end]))
      position = end
    }
    for _ in 0..<tensorCount {
      let start = position
      guard let shape = text(start), let rank = integer(shape, 4), rank < 16 else { return nil }
      position = shape + 4 + 8 * rank + 12
      guard position <= bytes.count else { return nil }
      tensors.append(Array(bytes[start..<position]))
    }
    data = Array(bytes[min(bytes.count, (position + 31) / 32 * 32)...])
  }

  /// The file, its counts and padding made anew.
  var bytes: [UInt8] {
    func count(_ value: Int) -> [UInt8] {
      (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
    var result = head + count(tensors.count) + count(entries.count)
    result += entries.flatMap(\.self) + tensors.flatMap(\.self)
    result += [UInt8](repeating: 0, count: (32 - result.count % 32) % 32)
    return result + data
  }

  /// Changes one entry or tensor of the lists, or their order.
  mutating func change(_ random: inout SeededGenerator) {
    if random.oneIn(2) {
      Self.change(&entries, &random)
    } else {
      Self.change(&tensors, &random)
    }
  }

  private static func change(_ list: inout [[UInt8]], _ random: inout SeededGenerator) {
    guard let index = list.indices.randomElement(using: &random) else { return }
    switch Int.random(in: 0..<5, using: &random) {
    case 0: list.remove(at: index)
    case 1: list.append(list[index])
    case 2: list.swapAt(index, list.indices.randomElement(using: &random) ?? index)
    default:
      guard let changed = BinaryMutation.mutate(list[index], &random) else { return }
      list[index] = changed
    }
  }
}

/// Changes a GGUF file in one of its parts, or anywhere.
enum GGUFMutation {
  static func mutate(_ bytes: [UInt8], _ random: inout SeededGenerator) -> [UInt8]? {
    guard !random.oneIn(4), var parts = GGUFParts(bytes) else {
      return BinaryMutation.mutate(bytes, &random)
    }
    parts.change(&random)
    return parts.bytes
  }
}

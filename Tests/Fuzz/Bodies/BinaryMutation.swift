import TestSupport

/// Changes a binary file whose numbers are little-endian and aligned: a number, or a piece of bytes.
enum BinaryMutation {
  private static let numbers: [UInt64] = [
    0, 1, 2, 3, 4, 7, 8, 0x7F, 0x80, 0xFF, 0x100, 0xFFFF, 0x1_0000, 0x7FFF_FFFF, 0x8000_0000,
    0xFFFF_FFFF, 1 << 32, 1 << 53, 1 << 63, .max, .max - 1,
  ]

  static func mutate(_ bytes: [UInt8], _ random: inout SeededGenerator) -> [UInt8]? {
    guard bytes.count > 16 else { return nil }
    var result = bytes
    switch Int.random(in: 0..<6, using: &random) {
    case 0, 1: setNumber(&result, &random)
    case 2: addToNumber(&result, &random)
    case 3:
      // A piece somewhere else, over what is there.
      let count = Int.random(in: 1...min(64, bytes.count / 2), using: &random)
      let from = Int.random(in: 0...bytes.count - count, using: &random)
      let to = Int.random(in: 0...bytes.count - count, using: &random)
      result.replaceSubrange(to..<to + count, with: bytes[from..<from + count])
    case 4: result.removeLast(Int.random(in: 1..<bytes.count, using: &random))
    default: result[place(in: result, 1, &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
    }
    return result
  }

  /// An aligned place, more often near the beginning, where lengths and offsets are.
  private static func place(
    in bytes: [UInt8], _ size: Int, _ random: inout SeededGenerator
  ) -> Int {
    let end = random.oneIn(3) ? bytes.count : min(bytes.count, 512)
    let place = Int.random(in: 0..<max(1, end - size), using: &random)
    return random.oneIn(4) ? place : place / size * size
  }

  private static func setNumber(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
    let size = [1, 2, 4, 8].randomElement(using: &random) ?? 4
    let start = place(in: bytes, size, &random)
    let value = numbers.randomElement(using: &random) ?? 0
    for index in 0..<size { bytes[start + index] = UInt8(truncatingIfNeeded: value >> (8 * index)) }
  }

  private static func addToNumber(_ bytes: inout [UInt8], _ random: inout SeededGenerator) {
    let start = place(in: bytes, 4, &random)
    let delta = Int.random(in: -16...16, using: &random)
    bytes[start] = UInt8(truncatingIfNeeded: Int(bytes[start]) + delta)
  }
}

/// The beginning of the permutation that torch's CPU generator gives for a seed (Spec/peft.md): mt19937 (M. Matsumoto, T.
/// Nishimura, 1998) and a shuffle by Fisher and Yates.
enum TorchPermutation {
  /// From this size on torch draws 64 bits a step, and shuffles from the inside out.
  private static let largeSize = Int(UInt32.max / 20)

  /// The first `count` places of a permutation of `size`.
  static func prefix(_ count: Int, of size: Int, seed: UInt64) -> [Int] {
    var generator = MersenneTwister(seed: UInt32(truncatingIfNeeded: seed))
    var places: [Int] = []
    guard size >= largeSize else {
      // What is not in its own place any more.
      var moved: [Int: Int] = [:]
      for index in 0..<count {
        let draw = index < size - 1 ? Int(generator.next()) : 0
        let other = index + draw % (size - index)
        places.append(moved[other] ?? other)
        moved[other] = moved[index] ?? index
      }
      return places
    }
    for index in 0..<size {
      let high = UInt64(generator.next())
      let other = Int((high << 32 | UInt64(generator.next())) % UInt64(index + 1))
      if index < count {
        places.append(index)
        places[index] = places[other]
      }
      if other < count { places[other] = index }
    }
    return places
  }
}

/// mt19937, 32 bits at a time.
private struct MersenneTwister {
  private var state: [UInt32]
  private var place = 624

  init(seed: UInt32) {
    state = [seed]
    for index in 1..<624 {
      let last = state[index - 1]
      state.append(1_812_433_253 &* (last ^ last >> 30) &+ UInt32(index))
    }
  }

  mutating func next() -> UInt32 {
    if place == 624 { refill() }
    var value = state[place]
    place += 1
    value ^= value >> 11
    value ^= value << 7 & 0x9D2C_5680
    value ^= value << 15 & 0xEFC6_0000
    return value ^ value >> 18
  }

  private mutating func refill() {
    for index in 0..<624 {
      let bits = state[index] & 0x8000_0000 | state[(index + 1) % 624] & 0x7FFF_FFFF
      let mixed = bits & 1 == 1 ? 0x9908_B0DF : 0 as UInt32
      state[index] = state[(index + 397) % 624] ^ bits >> 1 ^ mixed
    }
    place = 0
  }
}

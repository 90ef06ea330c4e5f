/// The texts of a vocabulary by id, and the ids by text.
///
/// One array holds all texts: tens of thousands of small strings would cost more than the parsing.
struct TokenTable: Sendable {
  private var text: [UInt8] = []
  private var starts: [UInt32] = []
  private var lengths: [UInt32] = []
  /// Open addressing: an id + 1, or 0 for a free place; above it a part of the hash, so that few texts
  /// must be looked at.
  private var slots: [UInt64] = []
  private(set) var longest = 0
  /// Nobody can prepare texts that collide.
  private let secret = UInt64.random(in: 0...UInt64.max) | 1

  /// How many tokens there are; their ids are 0 to this, without gaps.
  var count: Int { starts.count }

  /// The bytes of a token's text.
  subscript(id: Int) -> ArraySlice<UInt8> {
    let start = Int(starts[id])
    return text[start..<start + Int(lengths[id])]
  }

  /// Begins with the tokens of a file, whose ids come in any order.
  ///
  /// - Throws: `invalid` where the ids are not each number from 0 on once, or two texts are the same.
  init(_ entries: VocabularyEntries) throws(TokenizerFault) {
    text = entries.text
    let count = entries.ids.count
    starts = [UInt32](repeating: 0, count: count)
    lengths = [UInt32](repeating: .max, count: count)
    var start = 0
    for (id, end) in zip(entries.ids, entries.ends) {
      guard id < UInt64(count) else {
        throw .invalid("the id \(id) leaves a gap, as the vocabulary has \(count) tokens")
      }
      guard lengths[Int(id)] == .max else { throw .invalid("two tokens have the id \(id)") }
      starts[Int(id)] = UInt32(start)
      lengths[Int(id)] = UInt32(end - start)
      longest = max(longest, end - start)
      start = end
    }
    try rebuild(capacity: count)
  }

  /// The id of a text.
  func id(of bytes: ArraySlice<UInt8>) -> Int? {
    guard bytes.count <= longest, !slots.isEmpty else { return nil }
    return find(bytes).id
  }

  /// The id of two texts put together, of which `joined` is room to work in.
  ///
  /// Most merges follow each other as their results do: `guess` is looked at before the table is.
  func id(
    ofJoined left: Int, _ right: Int, guess: Int, in joined: inout [UInt8]
  ) -> Int? {
    joined.removeAll(keepingCapacity: true)
    joined.append(contentsOf: self[left])
    joined.append(contentsOf: self[right])
    if guess < count, Int(lengths[guess]) == joined.count, self[guess] == joined[...] {
      return guess
    }
    return id(of: joined[...])
  }

  /// Adds a token behind the last one; its text is not there yet.
  mutating func append(_ bytes: [UInt8]) throws(TokenizerFault) {
    starts.append(UInt32(text.count))
    lengths.append(UInt32(bytes.count))
    text.append(contentsOf: bytes)
    longest = max(longest, bytes.count)
    guard count * 2 > slots.count else { return try insert(count - 1) }
    try rebuild(capacity: count * 2)
  }

  private mutating func rebuild(capacity: Int) throws(TokenizerFault) {
    var size = 16
    while size < capacity * 2 { size *= 2 }
    slots = [UInt64](repeating: 0, count: size)
    for id in 0..<count { try insert(id) }
  }

  private mutating func insert(_ id: Int) throws(TokenizerFault) {
    let place = find(self[id])
    guard place.id == nil else {
      let text = String(decoding: self[id], as: UTF8.self)
      throw .invalid("the token \(text.quotedForError) is there twice")
    }
    slots[place.slot] = place.tag << 32 | UInt64(id + 1)
  }

  private func find(_ bytes: ArraySlice<UInt8>) -> (slot: Int, tag: UInt64, id: Int?) {
    let hash = hash(bytes)
    let tag = hash >> 32
    var slot = Int(hash & UInt64(slots.count - 1))
    while slots[slot] != 0 {
      if slots[slot] >> 32 == tag {
        let id = Int(slots[slot] & 0xFFFF_FFFF) - 1
        if self[id] == bytes { return (slot, tag, id) }
      }
      slot = (slot + 1) & (slots.count - 1)
    }
    return (slot, tag, nil)
  }
}

extension TokenTable {
  /// Multiplies eight bytes at a time by a secret, and folds the product.
  private func hash(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    var state = secret ^ UInt64(bytes.count)
    var (word, filled): (UInt64, UInt64) = (0, 0)
    for byte in bytes {
      word |= UInt64(byte) << filled
      filled += 8
      guard filled == 64 else { continue }
      state = Self.fold(state ^ word, secret)
      (word, filled) = (0, 0)
    }
    return Self.fold(Self.fold(state ^ word, secret), 0x9E37_79B9_7F4A_7C15)
  }

  private static func fold(_ left: UInt64, _ right: UInt64) -> UInt64 {
    let product = left.multipliedFullWidth(by: right)
    return product.high ^ product.low
  }
}

/// The tokens of a vocabulary as a file lists them.
struct VocabularyEntries {
  /// All texts, one after another.
  var text: [UInt8] = []
  /// Where each ends.
  var ends: [Int] = []
  /// Its id.
  var ids: [UInt64] = []
}

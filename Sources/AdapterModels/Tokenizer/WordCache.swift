/// Remembers where in a text a word was seen, and where in the output its ids are.
///
/// A word takes the place of another one with the same hash, so nothing grows and nothing can be made
/// slow.
struct WordCache {
  private struct Entry {
    var start = 0
    var count = 0
    var firstID = 0
    var idCount = 0
  }

  private var entries: [Entry]

  /// Makes room that suits a text of so many bytes; a short one needs none.
  init(byteCount: Int) {
    var size = 0
    if byteCount >= 256 { size = byteCount < 1 << 16 ? 1 << 10 : 1 << 14 }
    entries = [Entry](repeating: Entry(), count: size)
  }

  /// The place where the ids of an equal word are.
  func ids(of word: Range<Int>, in text: [UInt8]) -> Range<Int>? {
    guard !entries.isEmpty else { return nil }
    let entry = entries[slot(word, text)]
    guard entry.count == word.count else { return nil }
    for offset in 0..<word.count
    where text[entry.start + offset] != text[word.lowerBound + offset] {
      return nil
    }
    return entry.firstID..<entry.firstID + entry.idCount
  }

  /// Remembers a word.
  mutating func remember(_ word: Range<Int>, in text: [UInt8], ids: Range<Int>) {
    guard !entries.isEmpty else { return }
    entries[slot(word, text)] = Entry(
      start: word.lowerBound, count: word.count, firstID: ids.lowerBound, idCount: ids.count)
  }

  private func slot(_ word: Range<Int>, _ text: [UInt8]) -> Int {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for index in word { hash = (hash ^ UInt64(text[index])) &* 0x100_0000_01B3 }
    return Int(truncatingIfNeeded: hash ^ hash >> 29) & (entries.count - 1)
  }
}

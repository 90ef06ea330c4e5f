/// Byte-pair encoding of one word after another, with the room that it needs.
struct WordMerger {
  private let vocabulary: BytePairVocabulary
  private var symbols: [Int32] = []
  private var ranks: [UInt32] = []
  private var links: [Link] = []
  private var queue = MergeQueue()
  private var characters: [UInt8] = []

  private struct Link {
    var previous: Int
    var next: Int
  }

  init(_ vocabulary: BytePairVocabulary) {
    self.vocabulary = vocabulary
  }

  /// Appends the ids of a word.
  mutating func append(_ word: ArraySlice<UInt8>, to output: inout [Int32]) {
    if vocabulary.ignoresMerges, let id = wholeWord(word) {
      output.append(id)
      return
    }
    symbols.removeAll(keepingCapacity: true)
    if vocabulary.alphabet == .bytes {
      spell(word)
    } else {
      spellCharacters(of: word)
    }
    if symbols.count > 1 {
      // The scan is quadratic but cheap; only the queue holds out against a word of megabytes.
      if symbols.count <= 48 { mergeByScanning() } else { mergeByQueue() }
    }
    output.append(contentsOf: symbols)
  }

  private mutating func spell(_ bytes: ArraySlice<UInt8>) {
    for byte in bytes {
      // A vocabulary may lack bytes that its training text did not have; they leave no trace.
      let id = vocabulary.byteIDs[Int(byte)]
      if id >= 0 { symbols.append(id) }
    }
  }

  private mutating func spellCharacters(of word: ArraySlice<UInt8>) {
    var index = word.startIndex
    while index < word.endIndex {
      let lead = word[index]
      let size = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4
      let character = word[index..<min(index + size, word.endIndex)]
      if let id = vocabulary.modelID(of: character) {
        symbols.append(id)
      } else {
        spell(character)
      }
      index = character.endIndex
    }
  }

  private mutating func wholeWord(_ word: ArraySlice<UInt8>) -> Int32? {
    guard word.count <= vocabulary.tokens.longest else { return nil }
    guard vocabulary.alphabet == .bytes else { return vocabulary.modelID(of: word) }
    characters.removeAll(keepingCapacity: true)
    for byte in word { ByteAlphabet.append(byte, to: &characters) }
    return vocabulary.modelID(of: characters[...])
  }

  // MARK: - Short words

  private mutating func mergeByScanning() {
    ranks.removeAll(keepingCapacity: true)
    for index in 0..<symbols.count - 1 { ranks.append(rank(index, index + 1)) }
    while true {
      var (lowest, place) = (UInt32.max, 0)
      for (index, rank) in ranks.enumerated() where rank < lowest {
        (lowest, place) = (rank, index)
      }
      guard lowest < .max,
        let merge = vocabulary.merges[symbols[place], symbols[place + 1]]
      else { return }
      symbols[place] = merge.id
      symbols.remove(at: place + 1)
      ranks.remove(at: place)
      if place < ranks.count { ranks[place] = rank(place, place + 1) }
      if place > 0 { ranks[place - 1] = rank(place - 1, place) }
    }
  }

  private func rank(_ left: Int, _ right: Int) -> UInt32 {
    vocabulary.merges[symbols[left], symbols[right]]?.rank ?? .max
  }

  // MARK: - Long words

  private mutating func mergeByQueue() {
    let count = symbols.count
    queue.removeAll()
    links.removeAll(keepingCapacity: true)
    for index in 0..<count {
      links.append(Link(previous: index - 1, next: index + 1))
      if index + 1 < count { enqueue(index, index + 1) }
    }
    while let entry = queue.popFirst() {
      let place = entry.place
      let next = links[place].next
      // What was enqueued for a symbol that is gone, or has grown since, is out of date.
      guard symbols[place] >= 0, next < count,
        let merge = vocabulary.merges[symbols[place], symbols[next]], merge.rank == entry.rank
      else { continue }
      symbols[place] = merge.id
      symbols[next] = -1
      links[place].next = links[next].next
      if links[place].next < count { links[links[place].next].previous = place }
      if links[place].previous >= 0 { enqueue(links[place].previous, place) }
      if links[place].next < count { enqueue(place, links[place].next) }
    }
    symbols.removeAll { $0 < 0 }
  }

  private mutating func enqueue(_ left: Int, _ right: Int) {
    let rank = rank(left, right)
    if rank < .max { queue.insert(MergeQueue.Entry(rank: rank, place: left)) }
  }
}

/// A queue of possible merges: the lowest rank first, and of equal ones the leftmost.
struct MergeQueue {
  struct Entry {
    let rank: UInt32
    let place: Int

    func precedes(_ other: Entry) -> Bool {
      rank != other.rank ? rank < other.rank : place < other.place
    }
  }

  private var heap: [Entry] = []

  mutating func removeAll() { heap.removeAll(keepingCapacity: true) }

  mutating func insert(_ entry: Entry) {
    heap.append(entry)
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[child].precedes(heap[parent]) else { return }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  mutating func popFirst() -> Entry? {
    guard let first = heap.first, let last = heap.popLast() else { return nil }
    if heap.isEmpty { return first }
    heap[0] = last
    var parent = 0
    while true {
      var child = 2 * parent + 1
      guard child < heap.count else { return first }
      if child + 1 < heap.count, heap[child + 1].precedes(heap[child]) { child += 1 }
      guard heap[child].precedes(heap[parent]) else { return first }
      heap.swapAt(child, parent)
      parent = child
    }
  }
}

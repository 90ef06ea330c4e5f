/// Where the blocks of a frame end best: each has a Huffman table of its own, which pays where the bytes before it and
/// after it are of different kinds, as where one tensor ends and another begins.
enum BlockCuts {
  /// Cuts are looked for at multiples of a part; there are at most so many parts.
  private static let (smallestPart, maximumParts) = (256, 256)
  /// Bits of what stands before the literals of a block, and of a symbol in the description of its table, about.
  private static let (blockBits, symbolBits) = (14.0 * 8, 4.5)

  /// The places where blocks of a plane, at least one byte and at most the 128 KiB that a block may have, end best:
  /// ascending, the last of them the end of the plane. Found by dynamic programming over an estimate of what Huffman
  /// coding makes of each block, and of its table.
  static func ends(_ plane: UnsafeRawBufferPointer) -> [Int] {
    let part = max(smallestPart, (plane.count + maximumParts - 1) / maximumParts)
    let count = (plane.count + part - 1) / part
    let symbols = (0..<count).map { index in
      unsafe Symbols(plane, index * part..<min((index + 1) * part, plane.count))
    }
    // Next to noise there is nothing to gain, however it is cut.
    var whole = Block()
    for part in symbols { whole.add(part) }
    guard whole.bits < 7.9 * Double(plane.count) else { return [plane.count] }
    // The fewest bits for all parts before one, and where the last block of these begins.
    var fewest = [0.0] + [Double](repeating: .infinity, count: count)
    var starts = [Int](repeating: 0, count: count + 1)
    for end in 1...count {
      var block = Block()
      for start in stride(from: end - 1, through: 0, by: -1) {
        block.add(symbols[start])
        // What cannot be better need not be known exactly.
        guard fewest[start] + block.fewestBits < fewest[end] else { continue }
        let bits = fewest[start] + block.bits
        if bits < fewest[end] { (fewest[end], starts[end]) = (bits, start) }
      }
    }
    var ends: [Int] = []
    var end = count
    while end > 0 {
      ends.append(min(end * part, plane.count))
      end = starts[end]
    }
    return ends.reversed()
  }

  /// How often each byte occurs in a part.
  private struct Symbols {
    private(set) var counts: [(symbol: Int, count: Int)] = []
    let total: Int

    init(_ plane: UnsafeRawBufferPointer, _ range: Range<Int>) {
      var all = [Int](repeating: 0, count: 256)
      for index in range { unsafe all[Int(plane[index])] += 1 }
      for (symbol, count) in all.enumerated() where count > 0 { counts.append((symbol, count)) }
      total = range.count
    }
  }

  /// Parts that would be one block.
  private struct Block {
    private var counts = [Int](repeating: 0, count: 256)
    private var (total, distinct) = (0, 0)
    /// The sum of n · log2 n over all symbols.
    private var sum = 0.0

    mutating func add(_ part: Symbols) {
      for (symbol, count) in part.counts {
        let old = counts[symbol]
        if old == 0 { distinct += 1 }
        counts[symbol] = old + count
        sum += nLogN(old + count) - nLogN(old)
      }
      total += part.total
    }

    /// Bits of what stands before the codes. A block of one symbol alone is four bytes, all of them here.
    private var headerBits: Double {
      distinct > 1 ? blockBits + symbolBits * Double(distinct) : 32
    }

    /// At least so many bits: the order-0 entropy, which is none of one symbol alone.
    var fewestBits: Double { nLogN(total) - sum + headerBits }

    /// About so many bits: those of Huffman's code, which are more where a few symbols make up nearly all.
    var bits: Double { headerBits + Double(distinct > 1 ? huffmanBits : 0) }

    /// The sum of the weights of all inner nodes of Huffman's tree.
    private var huffmanBits: Int {
      let leaves = counts.filter { $0 > 0 }.sorted()
      var nodes: [Int] = []
      var (leaf, node, sum) = (0, 0, 0)
      func lightest() -> Int {
        if node == nodes.count || (leaf < leaves.count && leaves[leaf] <= nodes[node]) {
          leaf += 1
          return leaves[leaf - 1]
        }
        node += 1
        return nodes[node - 1]
      }
      for _ in 1..<leaves.count {
        nodes.append(lightest() + lightest())
        sum += nodes[nodes.count - 1]
      }
      return sum
    }
  }
}

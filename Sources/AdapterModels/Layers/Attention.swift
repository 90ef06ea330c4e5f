internal import Operations

/// Attention of rows to the positions before them and to themselves (arXiv:1706.03762, section 3.2.1), with
/// heads that may share keys and values (arXiv:2305.13245).
struct Attention {
  /// Heads of the queries.
  let headCount: Int
  /// The factor for scores.
  let scale: Float
  /// ALiBi's slopes, one for each head (arXiv:2108.12409); nil for none.
  let slopes: [Float]?
  /// How many positions a row sees, its own included: the last ones (arXiv:2004.05150, section 3.1); nil for
  /// all.
  var window: Int?
  /// The bound that scores approach and never pass, by tanh (arXiv:2408.00118, section 2); nil for none.
  var cap: Float?

  /// Queries that are worked on together when there are many.
  private static let blockSize = 64
  /// Below so many multiplications, threads cost more than they save.
  private static let worthSharing = 20_000

  /// Fills `result` with what the queries see.
  ///
  /// - Parameters:
  ///   - queries: [rows, heads · head dimension].
  ///   - cache: keys and values, those of these rows included, not yet counted.
  ///   - layer: whose keys and values.
  ///   - result: [rows, heads · head dimension].
  func run(_ queries: FloatRows, _ cache: KeyValueCache, layer: Int, into result: FloatRows) {
    let length = cache.count + queries.count
    let blocks = (queries.count + Self.blockSize - 1) / Self.blockSize
    func body(_ place: Int) {
      let start = place / headCount * Self.blockSize
      let rows = start..<min(start + Self.blockSize, queries.count)
      if rows.count <= 4 {
        runSingly(rows, head: place % headCount, queries, cache, layer, result)
      } else {
        runBlock(rows, head: place % headCount, queries, cache, layer, result)
      }
    }
    if queries.count * headCount * length * cache.headDimension < Self.worthSharing {
      for place in 0..<blocks * headCount { body(place) }
    } else {
      WorkerPool.shared.run(blocks * headCount, body)
    }
  }

  /// The positions that a row at one of them sees.
  private func seen(at position: Int) -> Range<Int> {
    guard let window else { return 0..<position + 1 }
    return max(0, position + 1 - window)..<position + 1
  }

  private func runSingly(
    _ rows: Range<Int>, head: Int, _ queries: FloatRows, _ cache: KeyValueCache, _ layer: Int,
    _ result: FloatRows
  ) {
    let size = cache.headDimension
    let shared = head / (headCount / cache.headCount)
    let keys = cache.keys(layer, head: shared)
    let values = cache.values(layer, head: shared)
    let length = cache.count + rows.upperBound
    unsafe withUnsafeTemporaryAllocation(of: Float.self, capacity: length) { scores in
      for row in rows {
        let seen = seen(at: cache.count + row)
        guard let query = unsafe queries[row].baseAddress,
          let output = unsafe result[row].baseAddress,
          let key = unsafe keys.elements.baseAddress, let value = unsafe values.elements.baseAddress
        else { return }
        let own = unsafe query + head * size
        guard let score = scores.baseAddress else { return }
        let first = seen.lowerBound * size
        unsafe SeenPositions.score(
          own, key + first, count: seen.count, size: size, scale: scale, into: score)
        unsafe weigh(UnsafeMutableBufferPointer(rebasing: scores[..<seen.count]), head: head)
        let target = unsafe output + head * size
        unsafe SeenPositions.sum(score, value + first, count: seen.count, size: size, into: target)
      }
    }
  }

  /// Makes weights of the scores of positions that follow each other.
  private func weigh(_ scores: UnsafeMutableBufferPointer<Float>, head: Int) {
    if let cap { unsafe Functions.softcap(scores, at: cap) }
    unsafe addSlope(of: head, to: scores)
    unsafe Functions.softmax(scores)
  }

  /// Only differences of slopes count, so they begin at the first position that is seen.
  private func addSlope(of head: Int, to scores: UnsafeMutableBufferPointer<Float>) {
    guard let slope = slopes?[head] else { return }
    for place in 0..<scores.count { unsafe scores[place] += slope * Float(place) }
  }

  /// Two matrix products, and what is not seen yet set to zero in between.
  private func runBlock(
    _ rows: Range<Int>, head: Int, _ queries: FloatRows, _ cache: KeyValueCache, _ layer: Int,
    _ result: FloatRows
  ) {
    let size = cache.headDimension
    let shared = head / (headCount / cache.headCount)
    let first = seen(at: cache.count + rows.lowerBound).lowerBound
    let length = cache.count + rows.upperBound - first
    guard let query = unsafe queries[rows].elements.baseAddress,
      let output = unsafe result[rows].elements.baseAddress,
      let keys = unsafe cache.keys(layer, head: shared).elements.baseAddress,
      let values = unsafe cache.values(layer, head: shared).elements.baseAddress
    else { return }
    unsafe TileMemory.withTile(of: rows.count * length) { scores in
      guard let start = scores.baseAddress else { return }
      unsafe scores.update(repeating: 0)
      let products = MatrixProduct(
        rows: rows.count, columns: length, inner: size, a: (false, queries.width),
        b: (true, size), resultStride: length)
      unsafe Float.multiplyAdd(
        products, query + head * size, keys + first * size, scale: scale, into: start)
      for (index, row) in rows.enumerated() {
        let all = unsafe UnsafeMutableBufferPointer(start: start + index * length, count: length)
        let seen = seen(at: cache.count + row)
        let (lower, upper) = (seen.lowerBound - first, seen.upperBound - first)
        unsafe weigh(UnsafeMutableBufferPointer(rebasing: all[lower..<upper]), head: head)
        unsafe all[..<lower].update(repeating: 0)
        unsafe all[upper...].update(repeating: 0)
        let target = unsafe output + index * result.width + head * size
        unsafe target.update(repeating: 0, count: size)
      }
      let sums = MatrixProduct(
        rows: rows.count, columns: size, inner: length, a: (false, length), b: (false, size),
        resultStride: result.width)
      unsafe Float.multiplyAdd(
        sums, start, values + first * size, scale: 1, into: output + head * size)
    }
  }
}

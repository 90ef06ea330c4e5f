internal import Operations
internal import Storage

/// Products y = x · Wᵀ of several weights with the same rows x, made in one loop over all their outputs.
struct MatrixProducts {
  /// One weight and where its outputs go.
  struct Part {
    let weight: StoredMatrix
    /// [rows of x, out].
    let result: FloatRows
  }

  /// So many rows at most are multiplied one by one: with more, a widened tile of the weight and one
  /// matrix product are faster.
  private static let fewRows = 6
  /// Outputs whose weights are widened at a time.
  private static let tileRows = 64

  /// Computes them all.
  static func run(_ parts: [Part], _ x: FloatRows, _ workspace: Workspace) {
    workspace.scope {
      if x.count <= fewRows {
        runFew(parts, x, workspace)
      } else {
        runMany(parts, x, workspace)
      }
    }
  }

  private static func runFew(_ parts: [Part], _ x: FloatRows, _ workspace: Workspace) {
    let zipped = workspace.rows(x.count, x.width)
    if parts.contains(where: { $0.weight.type.bitWidth == 16 }) {
      for row in 0..<x.count { unsafe unzip(x[row], into: zipped[row]) }
    }
    share(parts, \.rowsOfPart) { part, rows in
      let vectors = part.weight.type.bitWidth == 16 ? zipped : x
      for row in 0..<x.count {
        unsafe part.weight.dot(rows, vectors[row], into: part.result[row])
      }
    }
  }

  private static func runMany(_ parts: [Part], _ x: FloatRows, _ workspace: Workspace) {
    share(parts, { _ in tileRows }) { part, outputs in
      unsafe TileMemory.withTile(of: outputs.count * x.width) { tile in
        unsafe part.weight.widen(outputs, into: tile)
        // y[:, outputs] = x · tileᵀ
        for row in 0..<x.count {
          let y = unsafe part.result[row]
          unsafe y[outputs].update(repeating: 0)
        }
        let product = MatrixProduct(
          rows: x.count, columns: outputs.count, inner: x.width, a: (false, x.width),
          b: (true, x.width), resultStride: part.result.width)
        guard let left = unsafe x.elements.baseAddress, let right = tile.baseAddress,
          let result = unsafe part.result.elements.baseAddress
        else { return }
        unsafe Float.multiplyAdd(
          product, left, right, scale: 1, into: result + outputs.lowerBound)
      }
    }
  }

  /// Shares the outputs of all parts among the threads.
  private static func share(
    _ parts: [Part], _ size: (StoredMatrix) -> Int, _ body: @escaping (Part, Range<Int>) -> Void
  ) {
    let sizes = parts.map { size($0.weight) }
    let counts = zip(parts, sizes).map { ($0.weight.rows + $1 - 1) / $1 }
    WorkerPool.shared.run(counts.reduce(0, +)) { place in
      var (index, place) = (0, place)
      while place >= counts[index] {
        place -= counts[index]
        index += 1
      }
      let start = place * sizes[index]
      body(parts[index], start..<min(start + sizes[index], parts[index].weight.rows))
    }
  }
}

/// Memory for widened weights and other intermediate values of one call.
enum TileMemory {
  /// Calls the body with memory for so many elements, not initialised.
  static func withTile(of count: Int, _ body: (UnsafeMutableBufferPointer<Float>) -> Void) {
    unsafe withUnsafeTemporaryAllocation(of: Float.self, capacity: count) { tile in
      unsafe body(tile)
    }
  }
}

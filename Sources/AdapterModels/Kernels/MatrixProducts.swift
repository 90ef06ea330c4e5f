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
  /// Outputs whose weights are widened at a time, at most. The library lays x out anew for each tile.
  private static let tileRows = 256

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
    shareEvenly(parts) { part, outputs in
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

  /// Shares the outputs of all parts among the threads, in pieces of one size, of which each thread gets as many: a piece
  /// may begin in one part and end in the next.
  private static func shareEvenly(
    _ parts: [Part], _ body: @escaping (Part, Range<Int>) -> Void
  ) {
    let total = parts.reduce(0) { $0 + $1.weight.rows }
    let threads = WorkerPool.shared.threadCount
    let rounds = max(1, (total + threads * tileRows - 1) / (threads * tileRows))
    // Whole vectors of outputs.
    let size = (total + threads * rounds * 16 - 1) / (threads * rounds * 16) * 16
    WorkerPool.shared.run((total + size - 1) / size) { place in
      var start = place * size
      var left = min(size, total - start)
      for part in parts where left > 0 {
        let rows = part.weight.rows
        if start < rows {
          let end = min(rows, start + left)
          body(part, start..<end)
          left -= end - start
          start = 0
        } else {
          start -= rows
        }
      }
    }
  }

  /// Shares the outputs of all parts among the threads, as each comes to them.
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

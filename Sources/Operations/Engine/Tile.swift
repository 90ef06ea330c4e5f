package import Storage

/// A run of rows of a parameter, widened: what changes work on. One for each thread, its memory kept
/// from tile to tile.
package struct Tile<Scalar: ComputeScalar> {
  /// The rows of the parameter, seen as a matrix.
  package fileprivate(set) var rows = 0..<0
  /// Elements of a row.
  package fileprivate(set) var columns = 0
  /// The values, row-major; there may be more room than `count`.
  var values: [Scalar] = []
  /// The values before all but replacements, where a change needs them.
  private(set) var original: [Scalar] = []
  /// The values before a change that is made in part.
  private var unblended: [Scalar] = []
  /// Room for a product.
  var product: [Scalar] = []
  /// Room for another.
  var secondProduct: [Scalar] = []

  /// Elements.
  var count: Int { rows.count * columns }

  /// Makes room for other rows; the values are what they were.
  mutating func move(to rows: Range<Int>, columns: Int) {
    self.rows = rows
    self.columns = columns
    Self.grow(&values, to: count)
  }

  /// Keeps the values as they are now.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  mutating func keepOriginal() {
    Self.grow(&original, to: count)
    for index in 0..<count { original[index] = values[index] }
  }

  /// Clears the room for a product.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  mutating func clearProduct() {
    Self.grow(&product, to: count)
    for index in 0..<count { product[index] = 0 }
  }

  /// Keeps the values as they are before a change that is made in part.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  mutating func keepUnblended() {
    Self.grow(&unblended, to: count)
    for index in 0..<count { unblended[index] = values[index] }
  }

  /// Makes a part of the change since then.
  @specialized(where Scalar == Float)
  @specialized(where Scalar == Double)
  mutating func blend(_ factor: Scalar) {
    for index in 0..<count {
      values[index] = unblended[index] + factor * (values[index] - unblended[index])
    }
  }

  /// Makes room for two products, which are what they were.
  mutating func makeRoomForProducts() {
    Self.grow(&product, to: count)
    Self.grow(&secondProduct, to: count)
  }

  private static func grow(_ array: inout [Scalar], to count: Int) {
    if array.count < count { array += Array(repeating: 0, count: count - array.count) }
  }
}

/// One thread's tiles.
package final class TileScratch {
  var single = Tile<Float>()
  var double = Tile<Double>()

  package init() {}
}

/// How a parameter is cut into tiles: as a matrix, a run of whole rows at a time.
package struct TileGrid: Sendable, Hashable {
  /// Rows of the matrix; each element of a vector is one.
  package let rows: Int
  /// Elements of a row.
  package let columns: Int
  /// Tiles begin at multiples of this many rows.
  package let alignment: Int

  /// Widened values that stay in a core's own cache from widening to rounding.
  private static let cachedElements = 1 << 17

  /// Cuts a parameter for what changes it.
  package init(_ shape: Shape, of type: ElementType, operations: [BoundOperation]) {
    guard type.bitWidth.isMultiple(of: 8) else {
      // Elements that are parts of bytes: only all of them together are bytes.
      (rows, columns, alignment) = (1, shape.count, 1)
      return
    }
    let dimensions = shape.dimensions
    let isStack = dimensions.count == 3 && operations.contains(where: \.seesStack)
    // What nothing changes may be cut anywhere, a stack of matrices into small pieces too.
    let leading = operations.isEmpty ? max(1, dimensions.count - 1) : isStack ? 2 : 1
    rows = dimensions.prefix(leading).reduce(1, *)
    columns = dimensions.dropFirst(leading).reduce(1, *)
    // Beyond the last row there is nothing to align to.
    let limit = max(1, rows)
    alignment = operations.reduce(1) { leastCommonMultiple($0, $1.rowAlignment, limit: limit) }
  }

  /// Runs of rows of about `elements` elements.
  package func tiles(of elements: Int) -> [Range<Int>] {
    Self.cut(0..<rows, by: step(of: elements))
  }

  /// The parts, of tiles of about `elements` elements, in which some of these rows are worked on. Whoever reads
  /// some rows works on the same parts as one who reads all: in others the last bits of sums may differ.
  package func parts(holding wanted: Range<Int>, tilesOf elements: Int) -> [Range<Int>] {
    let step = step(of: elements)
    let first = wanted.lowerBound / step * step
    return Self.cut(first..<min(rows, wanted.upperBound), by: step).flatMap { tile in
      parts(of: tile.lowerBound..<min(rows, tile.lowerBound + step)).filter { $0.overlaps(wanted) }
    }
  }

  /// Parts of a tile that are worked on at once.
  func parts(of tile: Range<Int>) -> [Range<Int>] {
    Self.cut(tile, by: step(of: Self.cachedElements))
  }

  /// Rows of about `elements` elements.
  package func step(of elements: Int) -> Int {
    let count = max(1, elements / max(1, columns))
    return max(alignment, count / alignment * alignment)
  }

  private static func cut(_ rows: Range<Int>, by step: Int) -> [Range<Int>] {
    stride(from: rows.lowerBound, to: rows.upperBound, by: step).map {
      $0..<min($0 + step, rows.upperBound)
    }
  }
}

private func leastCommonMultiple(_ left: Int, _ right: Int, limit: Int) -> Int {
  var (a, b) = (left, right)
  while b != 0 { (a, b) = (b, a % b) }
  let (multiple, overflow) = (left / a).multipliedReportingOverflow(by: right)
  return overflow ? limit : min(multiple, limit)
}

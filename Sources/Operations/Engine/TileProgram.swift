internal import AdapterFormat
internal import Storage
internal import StrictJSON

/// The steps that change every tile of a tensor, in one type of arithmetic. The one place where a stack's factor is
/// applied: W ← W + factor · (f(W) − W).
struct TileProgram<Scalar: ComputeScalar>: Sendable {
  private var replacements: [any TileChange<Scalar>] = []
  private var stages: [Stage] = []
  /// All stages, where each changes rows of its own by a product: none of these needs a tile. Nil where any does.
  private var storedForms: [StoredRowsAddition]?
  private(set) var nonfiniteOperands: [(operation: Int, operand: Name)] = []

  /// A step, and how much of it is made.
  fileprivate struct Stage: Sendable {
    var step: Step
    let factor: Double
  }

  fileprivate enum Step: Sendable {
    case adds(any TileAddition<Scalar>)
    case transforms(any TileChange<Scalar>)
  }

  init(_ operations: [BoundOperation], _ shape: Shape) throws {
    for (place, operation) in operations.enumerated() {
      do {
        try append(operation, place, shape)
      } catch {
        throw TensorProgram.Failure(operation: place, error: error)
      }
    }
    storedForms = Self.storedForms(of: stages, replacements)
  }

  private static func storedForms(
    of stages: [Stage], _ replacements: [any TileChange<Scalar>]
  ) -> [StoredRowsAddition]? {
    guard replacements.isEmpty else { return nil }
    var forms: [StoredRowsAddition] = []
    for stage in stages {
      guard case .adds(let addition) = stage.step, var form = addition.storedForm else {
        return nil
      }
      form.scale *= stage.factor
      forms.append(form)
    }
    forms.sort { $0.rows.lowerBound < $1.rows.lowerBound }
    // A value that two change is rounded after the second.
    let areApart = zip(forms, forms.dropFirst()).allSatisfy {
      $0.rows.upperBound <= $1.rows.lowerBound
    }
    return areApart ? forms : nil
  }

  private mutating func append(_ operation: BoundOperation, _ place: Int, _ shape: Shape) throws {
    var loader = OperandLoader(operation.adapter)
    let steps: [TileStep<Scalar>] = try operation.steps(&loader, shape)
    for step in steps {
      switch step {
      case .gives(let change): replacements.append(change)
      case .adds(let addition):
        stages.append(Stage(step: .adds(addition), factor: operation.factor))
      case .transforms(let change):
        let whole = operation.factor == 1 ? nil : change.weighted(by: operation.factor)
        stages.append(
          Stage(step: .transforms(whole ?? change), factor: whole == nil ? operation.factor : 1))
      }
    }
    nonfiniteOperands += loader.nonfinite.map { (place, $0.tensor) }
  }

  var needsMeasuring: Bool { stages.contains { $0.sumCount > 0 } }

  /// Changes one part of a tile.
  func apply(
    _ stored: UnsafeRawBufferPointer, _ storedType: ElementType,
    to result: UnsafeMutableRawBufferPointer, _ type: ElementType, _ grid: TileGrid,
    _ rows: Range<Int>, _ tile: inout Tile<Scalar>, _ survival: inout Survival?
  ) throws {
    if survival == nil, let storedForms, storedType == type, PackedMatrix.takes(type) {
      if unsafe stored.baseAddress != UnsafeRawPointer(result.baseAddress) {
        unsafe result.copyMemory(from: stored)
      }
      for form in storedForms { unsafe form.apply(to: result, as: type, rows: rows) }
      return
    }
    try unsafe widen(stored, storedType, grid, rows, &tile)
    if survival != nil || stages.contains(where: \.needsOriginal) { tile.keepOriginal() }
    for stage in stages { try stage.apply(to: &tile) }
    unsafe tile.values.withUnsafeBufferPointer { values in
      unsafe Scalar.round(
        UnsafeBufferPointer(rebasing: values[..<tile.count]), to: type, into: result)
    }
    if survival != nil { unsafe survival?.add(&tile, UnsafeRawBufferPointer(result), type) }
  }

  /// Sums for each step, over some rows or over all.
  typealias Sums = [[Double]]

  /// Tiles whose sums are held at the same time, before they are added in their order: the result is the same however
  /// many threads there are.
  private static var tilesAtOnce: Int { 32 }

  /// Keeps the sums over all tiles, where steps need them.
  ///
  /// - Parameters:
  ///   - tiles: runs of rows that make up the tensor.
  ///   - sums: gives those of a tile, on any thread.
  /// - Throws: what `sums` throws.
  mutating func measure(
    _ tiles: [Range<Int>], _ sums: @Sendable (TileProgram, Range<Int>) throws -> Sums
  ) throws {
    var total = stages.map { [Double](repeating: 0, count: $0.sumCount) }
    let program = self
    for start in stride(from: 0, to: tiles.count, by: Self.tilesAtOnce) {
      let some = tiles[start..<min(tiles.count, start + Self.tilesAtOnce)]
      for part in try some.concurrentMap({ try sums(program, $0) }) {
        for stage in total.indices {
          for place in total[stage].indices { total[stage][place] += part[stage][place] }
        }
      }
    }
    for index in stages.indices { stages[index].keep(total[index]) }
  }

  /// The sums of some rows.
  func sums(
    _ grid: TileGrid, _ type: ElementType, _ rows: Range<Int>, _ tile: inout Tile<Scalar>,
    _ read: (Range<Int>) throws -> [UInt8]
  ) throws -> Sums {
    var sums = stages.map { [Double](repeating: 0, count: $0.sumCount) }
    let width = grid.columns * type.bitWidth / 8
    let bytes = try read(rows)
    for part in grid.parts(of: rows) {
      let start = (part.lowerBound - rows.lowerBound) * width
      try unsafe bytes.withUnsafeBytes { bytes in
        let piece = unsafe UnsafeRawBufferPointer(
          rebasing: bytes[start..<start + part.count * width])
        try unsafe widen(piece, type, grid, part, &tile)
      }
      for index in stages.indices { stages[index].measure(&tile, &sums[index]) }
    }
    return sums
  }

  private func widen(
    _ bytes: UnsafeRawBufferPointer, _ type: ElementType, _ grid: TileGrid, _ rows: Range<Int>,
    _ tile: inout Tile<Scalar>
  ) throws {
    tile.move(to: rows, columns: grid.columns)
    let count = tile.count
    unsafe tile.values.withUnsafeMutableBufferPointer { values in
      unsafe Scalar.widen(
        bytes, of: type, into: UnsafeMutableBufferPointer(rebasing: values[..<count]))
    }
    for change in replacements { try change.apply(to: &tile) }
  }
}

extension TileProgram.Stage {
  var needsOriginal: Bool {
    switch step {
    case .adds(let addition): addition.needsOriginal
    case .transforms(let change): change.needsOriginal
    }
  }

  var sumCount: Int {
    switch step {
    case .adds: 0
    case .transforms(let change): change.sumCount
    }
  }

  func apply(to tile: inout Tile<Scalar>) throws {
    switch step {
    case .adds(let addition): try addition.add(to: &tile, times: factor)
    case .transforms(let change):
      guard factor != 1 else { return try change.apply(to: &tile) }
      tile.keepUnblended()
      try change.apply(to: &tile)
      tile.blend(Scalar(factor))
    }
  }

  func measure(_ tile: inout Tile<Scalar>, _ sums: inout [Double]) {
    if case .transforms(let change) = step, change.sumCount > 0 { change.measure(&tile, &sums) }
  }

  mutating func keep(_ sums: [Double]) {
    if case .transforms(let change) = step { step = .transforms(change.measured(sums)) }
  }
}

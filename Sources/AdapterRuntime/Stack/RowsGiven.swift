internal import AdapterFormat
internal import AdapterInsight
internal import Operations
internal import Storage

/// Rows of one parameter that operations give, one after the other, to find those that are given by different values.
struct RowsGiven {
  private var givers: [Giver] = []
  /// Row → the last that gives it, and its place among the values.
  private var places: [Int: (giver: Int, place: Int)] = [:]

  /// The values of one operation.
  private struct Giver {
    let owner: Int
    let values: TypedOperand
    let adapter: Adapter
    let rowCount: Int
    /// Loaded where a row is given twice.
    var contents: [UInt8]?

    mutating func row(_ place: Int) throws(FormatError) -> ArraySlice<UInt8> {
      let all: [UInt8]
      if let contents {
        all = contents
      } else {
        all = try OperandBytes.contents(of: values.operand, adapter)
      }
      contents = all
      let width = all.count / max(1, rowCount)
      return all[place * width..<(place + 1) * width]
    }
  }

  /// The adapter that gave rows first; nil where none did.
  var firstOwner: Int? { givers.first?.owner }

  /// Adds the rows of an operation.
  ///
  /// - Throws: `FormatError` where values cannot be read, or are damaged.
  /// - Returns: a row that was given before by another type or other bytes, and by which adapter; nil where there is none.
  mutating func add(
    _ rows: [Int], _ values: TypedOperand, of adapter: Adapter, by owner: Int
  ) throws(FormatError) -> (row: Int, before: Int)? {
    let new = givers.count
    givers.append(Giver(owner: owner, values: values, adapter: adapter, rowCount: rows.count))
    for (place, row) in rows.enumerated() {
      if let before = places[row] {
        let owner = givers[before.giver].owner
        guard givers[before.giver].values.type == values.type else { return (row, owner) }
        let (old, own) = (try givers[before.giver].row(before.place), try givers[new].row(place))
        guard old == own else { return (row, owner) }
      }
      places[row] = (new, place)
    }
    return nil
  }
}

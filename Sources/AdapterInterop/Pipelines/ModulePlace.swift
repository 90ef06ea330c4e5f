internal import Operations
internal import Storage
internal import StrictJSON

/// A weight of the base that a module of a file changes, or that a part of its rows changes.
struct ModulePlace {
  /// The weight, as a target of an adapter for the pipeline.
  var target: Target
  /// Its shape as stored; nil without a base.
  let stored: [Int]?
  /// Which rows of the module's change are its own.
  var rows = Rows.all

  enum Rows: Equatable {
    case all
    /// Of a weight that the original model has as one, and the base in parts.
    case some(Range<Int>)
    /// The lower half comes first.
    case swappedHalves
  }
}

extension [ModulePlace] {
  /// The only place, all of it.
  var single: ModulePlace? { count == 1 && self[0].rows == .all ? self[0] : nil }

  /// A low-rank change of the module, of all rows and with a layout, as one of each of its places.
  func split(_ low: AddLowRank) -> [AddLowRank] {
    map { place in
      var part = low
      part.target = place.target
      (part.target.layout, part.target.layoutSource) = (low.target.layout, low.target.layoutSource)
      guard case .some(let rows) = place.rows else { return part }
      part.b = low.b.rows(rows)
      part.magnitude = low.magnitude?.rows(rows)
      return part
    }
  }

  /// For each row of a change the row of the file's that it is; nil where they are in order.
  func rowOrder(_ count: Int) -> [Int]? {
    guard self.count == 1, self[0].rows == .swappedHalves else { return nil }
    return [Int](count / 2..<count) + [Int](0..<count / 2)
  }
}

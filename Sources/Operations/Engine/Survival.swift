internal import Storage

/// How much of a change is left when the changed values are rounded to the type that they are stored in.
///
/// A value of BF16 has eight significant bits: a change below half of its last one is gone.
public struct Survival: Sendable, Hashable {
  /// Elements that were looked at.
  public private(set) var elementCount = 0
  /// Those that are other values after rounding than before the change.
  public private(set) var changedCount = 0
  /// Σ (exact − before)²: the energy of the change.
  private var energy = 0.0
  /// Σ (rounded − exact)²: the energy of what rounding does to it.
  private var lost = 0.0
  /// Σ (rounded − before) · (exact − before).
  private var aligned = 0.0

  package init() {}

  /// Of elements of which none changes.
  package init(unchanged count: Int) { elementCount = count }

  /// The share of elements that are changed, 0…1.
  public var changedShare: Double {
    elementCount == 0 ? 0 : Double(changedCount) / Double(elementCount)
  }

  /// The share of the change's energy that is kept, 0…1: 1 − ‖rounded − exact‖² / ‖exact − before‖², and 1 for a
  /// change of nothing.
  public var keptEnergy: Double {
    guard energy > 0 else { return 1 }
    // Of a result that is not finite, nothing.
    let kept = 1 - lost / energy
    return kept > 0 ? kept : 0
  }

  /// How much of the change is in the result, the noise of rounding apart:
  /// ⟨rounded − before, exact − before⟩ / ‖exact − before‖², and 1 for a change of nothing.
  public var along: Double { energy > 0 ? aligned / energy : 1 }

  /// Both together.
  package static func += (left: inout Survival, right: Survival) {
    left.elementCount += right.elementCount
    left.changedCount += right.changedCount
    left.energy += right.energy
    left.lost += right.lost
    left.aligned += right.aligned
  }

  /// Adds elements as they were before a change, as they are after it, and as they were rounded.
  package mutating func add(before: [Float], exact: [Float], rounded: [Float]) {
    precondition(exact.count == before.count && rounded.count == before.count)
    var (sums, room) = (Survival(), before)
    unsafe before.withUnsafeBufferPointer { before in
      unsafe exact.withUnsafeBufferPointer { exact in
        unsafe rounded.withUnsafeBufferPointer { rounded in
          unsafe room.withUnsafeMutableBufferPointer { room in
            unsafe sums.add(before, exact, rounded, room, before.count)
          }
        }
      }
    }
    // Squares of the smallest and the largest changes are not in F32.
    let isKnown = sums.energy > 0 && (sums.energy + sums.lost + sums.aligned).isFinite
    if !isKnown { sums = Survival(before, exact, rounded) }
    self += sums
  }

  /// The same by sums of F64, one by one.
  private init(_ before: [Float], _ exact: [Float], _ rounded: [Float]) {
    for index in before.indices {
      let change = Double(exact[index]) - Double(before[index])
      let result = Double(rounded[index]) - Double(before[index])
      energy += change * change
      lost += (result - change) * (result - change)
      aligned += result * change
      changedCount += result == 0 ? 0 : 1
    }
    elementCount = before.count
  }

  private mutating func add<Scalar: ComputeScalar>(
    _ before: UnsafeBufferPointer<Scalar>, _ exact: UnsafeBufferPointer<Scalar>,
    _ rounded: UnsafeBufferPointer<Scalar>, _ room: UnsafeMutableBufferPointer<Scalar>, _ count: Int
  ) {
    changedCount += unsafe differences(before, rounded, room, count)
    energy += unsafe squaredDistance(exact, before, room, count)
    lost += unsafe squaredDistance(rounded, exact, room, count)
    aligned += unsafe alignment(rounded, exact, before, room, count)
    elementCount += count
  }

  /// Adds a tile: its values and originals, and what they were rounded to.
  mutating func add<Scalar: ComputeScalar>(
    _ tile: inout Tile<Scalar>, _ rounded: UnsafeRawBufferPointer, _ type: ElementType
  ) {
    let count = tile.count
    tile.makeRoomForProducts()
    unsafe tile.product.withUnsafeMutableBufferPointer {
      unsafe Scalar.widen(
        rounded, of: type, into: UnsafeMutableBufferPointer(rebasing: $0[..<count]))
    }
    unsafe tile.values.withUnsafeBufferPointer { values in
      unsafe tile.original.withUnsafeBufferPointer { original in
        unsafe tile.product.withUnsafeBufferPointer { rounded in
          unsafe tile.secondProduct.withUnsafeMutableBufferPointer { room in
            unsafe add(original, values, rounded, room, count)
          }
        }
      }
    }
  }
}

// Loops without a branch or a sum of floats in them, which the compiler turns into vector code.

@specialized(where Scalar == Float)
@specialized(where Scalar == Double)
private func differences<Scalar: ComputeScalar>(
  _ left: UnsafeBufferPointer<Scalar>, _ right: UnsafeBufferPointer<Scalar>,
  _ room: UnsafeMutableBufferPointer<Scalar>, _ count: Int
) -> Int {
  for index in 0..<count { unsafe room[index] = left[index] == right[index] ? 0 : 1 }
  return unsafe Int(sum(room, count))
}

/// Σ (left − right)².
@specialized(where Scalar == Float)
@specialized(where Scalar == Double)
private func squaredDistance<Scalar: ComputeScalar>(
  _ left: UnsafeBufferPointer<Scalar>, _ right: UnsafeBufferPointer<Scalar>,
  _ room: UnsafeMutableBufferPointer<Scalar>, _ count: Int
) -> Double {
  for index in 0..<count {
    let difference = unsafe left[index] - right[index]
    unsafe room[index] = difference * difference
  }
  return unsafe sum(room, count)
}

/// Σ (left − origin) · (right − origin).
@specialized(where Scalar == Float)
@specialized(where Scalar == Double)
private func alignment<Scalar: ComputeScalar>(
  _ left: UnsafeBufferPointer<Scalar>, _ right: UnsafeBufferPointer<Scalar>,
  _ origin: UnsafeBufferPointer<Scalar>, _ room: UnsafeMutableBufferPointer<Scalar>, _ count: Int
) -> Double {
  for index in 0..<count {
    unsafe room[index] = (left[index] - origin[index]) * (right[index] - origin[index])
  }
  return unsafe sum(room, count)
}

/// The sum of values, which are lost: the upper half is added to the lower until a few are left.
@specialized(where Scalar == Float)
@specialized(where Scalar == Double)
private func sum<Scalar: ComputeScalar>(
  _ room: UnsafeMutableBufferPointer<Scalar>, _ count: Int
) -> Double {
  var rest = count
  while rest > 16 {
    let half = rest / 2
    for index in 0..<half { unsafe room[index] += room[rest &- half &+ index] }
    rest -= half
  }
  var result = 0.0
  for index in 0..<rest { result += unsafe Double(room[index]) }
  return result
}

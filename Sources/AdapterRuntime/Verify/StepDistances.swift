internal import AdapterInsight
internal import Checkpoints
internal import Storage

/// How far the values that codes stand for are from the exact ones.
///
/// A step is the distance from the nearest value that has a code to its farther neighbour. So both neighbours of an exact
/// value are within a step, whatever program chose one; a scale that is a little another moves a value by less. An exact
/// value beyond all codes is further from any: the last code is as near as can be.
///
/// A step may be wider than the change, so that every value is within one though nothing was merged. Over a whole
/// parameter that shows: the share of the change that lies in the codes differs from that in our own by more than
/// roundings do.
struct StepDistances {
  /// The largest distance, in steps.
  private(set) var largest = 0.0
  /// Elements that were looked at.
  private(set) var elementCount = 0
  private var sums = PairSums()
  /// Σ d², of the exact changes d.
  private var energy = 0.0
  /// Of the values that are there, and of the base's own.
  private var found = Shift()
  private var base = Shift()
  /// Σ d · (ours − before).
  private var own = 0.0

  /// Values against ours, e: Σ d · e, and the sum of the squares of these products.
  private struct Shift {
    private(set) var sum = 0.0
    private(set) var squares = 0.0
    /// Elements that are not within a step.
    private(set) var count = 0

    mutating func add(_ change: Double, _ difference: Double, isFar: Bool) {
      let product = change * difference
      sum += product
      squares += product * product
      count += isFar ? 1 : 0
    }

    static func += (left: inout Shift, right: Shift) {
      left.sum += right.sum
      left.squares += right.squares
      left.count += right.count
    }

    /// True if roundings in another direction, each as likely as its opposite, do not explain it.
    var isSystematic: Bool { sum.magnitude > 5 * squares.squareRoot() }
  }

  /// Adds elements whose codes were made, and the values of those that are there.
  mutating func add(_ run: Requantisation.Run, found values: [Double]) {
    for index in values.indices {
      let (before, wanted) = (Double(run.before[index]), Double(run.wanted[index]))
      let (ours, value, step) = (
        Double(run.result[index]), values[index], Double(run.steps[index])
      )
      let change = wanted - before
      sums.add(change, value - before)
      energy += change * change
      own += change * (ours - before)
      // The nearest code may be further than a step, if it is the last one. NaN is within no distance.
      let limit = max(step, (ours - wanted).magnitude)
      let distance = (value - wanted).magnitude
      let isFar = !(distance <= limit)
      found.add(change, value - ours, isFar: isFar)
      base.add(change, before - ours, isFar: !((before - wanted).magnitude <= limit))
      let steps = distance == 0 ? 0 : distance / step
      largest = max(largest, steps.isNaN ? .infinity : steps)
    }
    elementCount += values.count
  }

  /// Both together.
  static func += (left: inout StepDistances, right: StepDistances) {
    left.largest = max(left.largest, right.largest)
    left.elementCount += right.elementCount
    left.sums.add(right.sums)
    left.energy += right.energy
    left.own += right.own
    left.found += right.found
    left.base += right.base
  }

  /// True if the values may be those of a merge: each is within a step, and together they hold the change.
  var isMerge: Bool { found.count == 0 && !isOff(found) }

  /// True if the base's own values would be taken for a merge too.
  var cannotTellBase: Bool { base.count == 0 && !isOff(base) }

  /// True if less of the change is there than a quarter below both ours and all of it, or more than a quarter above.
  private func isOff(_ shift: Shift) -> Bool {
    guard energy > 0, shift.isSystematic else { return false }
    let (ours, along) = (own / energy, (own + shift.sum) / energy)
    return along < 0.75 * min(ours, 1) || along > 1.25 * max(ours, 1)
  }

  /// How the values differ.
  var difference: MergeVerification.Difference {
    .init(count: found.count, largest: largest, change: PartComparison(.weight, sums))
  }
}

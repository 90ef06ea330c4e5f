internal import AdapterInsight
internal import Checkpoints
internal import Storage

/// How far the values that codes stand for are from the exact ones, in steps: the distance between neighbours of the
/// values that have a code, where the nearest of them is.
///
/// So both neighbours of an exact value are within a step, whatever program chose one. A scale that is a little another
/// moves a value by less. An exact value beyond all codes has one that is further away: that is as near as can be.
struct StepDistances {
  /// Elements that are further than one step, and than our own.
  private(set) var count = 0
  /// The largest distance, in steps.
  private(set) var largest = 0.0
  /// Elements that were looked at.
  private(set) var elementCount = 0
  private var sums = PairSums()

  /// Adds elements whose codes were made, and the values of those that are there.
  mutating func add(_ run: Requantisation.Run, found: [Double]) {
    for index in found.indices {
      let (before, wanted) = (Double(run.before[index]), Double(run.wanted[index]))
      let (value, step) = (found[index], Double(run.steps[index]))
      let (distance, own) = (
        (value - wanted).magnitude, (Double(run.result[index]) - wanted).magnitude
      )
      sums.add(wanted - before, value - before)
      if distance <= own, own > step { continue }
      // What is no number is within no distance.
      if !(distance <= step) { count += 1 }
      let steps = distance == 0 ? 0 : distance / step
      largest = max(largest, steps.isNaN ? .infinity : steps)
    }
    elementCount += found.count
  }

  /// Both together.
  static func += (left: inout StepDistances, right: StepDistances) {
    left.count += right.count
    left.largest = max(left.largest, right.largest)
    left.elementCount += right.elementCount
    left.sums.add(right.sums)
  }

  /// How the values differ.
  var difference: MergeVerification.Difference {
    .init(count: count, largest: largest, change: PartComparison(.weight, sums))
  }
}

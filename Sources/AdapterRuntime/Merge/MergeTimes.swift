/// How long the threads of a merge took for what, added up over all of them: they wait for each other and for the disk
/// meanwhile, so that the sum is more than what a clock shows.
public struct MergeTimes: Sendable, Hashable {
  /// Threads.
  public internal(set) var threadCount = 0
  /// Reading the base.
  public internal(set) var reading: Duration = .zero
  /// Making changed values, operands and checks among it.
  public internal(set) var arithmetic: Duration = .zero
  /// Making codes again, before the threads of a shard begin: by the clock, as all processors do that together.
  public internal(set) var makingCodes: Duration = .zero
  /// Writing.
  public internal(set) var writing: Duration = .zero

  static func += (left: inout MergeTimes, right: MergeTimes) {
    left.threadCount = max(left.threadCount, right.threadCount)
    left.reading += right.reading
    left.arithmetic += right.arithmetic
    left.makingCodes += right.makingCodes
    left.writing += right.writing
  }
}

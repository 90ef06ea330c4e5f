internal import AdapterInsight
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// The new codes of quantised parameters that adapters change, in a file of their own until they are in a shard: scales
/// need all values of a parameter before its first code, and some schemes store codes across to the rows.
///
/// Memory is some runs of elements, and some MB of the codes of one matrix.
struct RequantisedCodes {
  /// The places of the new bytes, by tensor.
  private(set) var ranges: [Name: FileRange] = [:]
  /// The part of each parameter's change that survives, over all its elements.
  private(set) var survival: [Name: Survival] = [:]

  /// Works out those of one file of a merge. A parameter of which another file holds tensors too is worked out for both:
  /// neither waits for the other, so that files may be written by several processes.
  ///
  /// - Parameters:
  ///   - plan: the file.
  ///   - view: what is written.
  ///   - target: beside which the codes wait.
  ///   - report: told how many bytes of the file have been worked out.
  /// - Throws: `AdapterError` where base or adapters cannot be read, `StorageError` where there is no room.
  init(
    of plan: ShardPlan, in view: AdaptedCheckpoint, beside target: FilePath,
    _ report: (Int) -> Void
  ) throws {
    let sizes = plan.codes
    guard !sizes.isEmpty else { return }
    var (places, size): ([Name: Range<UInt64>], UInt64) = ([:], 0)
    for (name, count) in sizes.sorted(by: { $0.key < $1.key }) {
      places[name] = size..<size + UInt64(count)
      size += UInt64(count)
    }
    let placed = places
    let file = try File(namelessBeside: target, size: size)
    let written = Guarded<Set<Name>>([])
    for parameter in view.checkpoint.decoded
    where parameter.made.contains(where: { sizes[$0] != nil }) {
      let own = try Self.requantise(parameter, in: view) { name, place, bytes in
        guard let range = placed[name] else { return }
        try file.write(bytes, at: range.lowerBound + UInt64(place))
        _ = written.withLock { $0.insert(name) }
      }
      survival[parameter.info.name] = own
      // Zeros have two signs, and a scale may have two forms: where no value changes, no byte does.
      if own?.changedCount == 0 { written.withLock { $0.subtract(parameter.made) } }
      report(parameter.made.reduce(0) { $0 + (sizes[$1] ?? 0) })
    }
    for name in written.withLock(\.self) {
      ranges[name] = placed[name].map { FileRange($0, of: file) }
    }
  }

  /// Works out what would survive of the change of every parameter, and keeps no codes.
  ///
  /// - Parameters:
  ///   - view: what would be written.
  ///   - report: told how many bytes of values have been worked out.
  /// - Throws: `AdapterError` where base or adapters cannot be read.
  /// - Returns: the survival, by the parameter's name.
  static func survival(
    in view: AdaptedCheckpoint, _ report: (Int) -> Void
  ) throws -> [Name: Survival] {
    var result: [Name: Survival] = [:]
    for parameter in view.checkpoint.decoded where view.adapted(parameter.info.name) != nil {
      result[parameter.info.name] = try requantise(parameter, in: view) { _, _, _ in }
      report(4 * parameter.info.shape.count)
    }
    return result
  }

  /// Makes the codes of a parameter that is changed; none if no value of it changes, so that codes and scales stay.
  ///
  /// - Parameters:
  ///   - parameter: the parameter.
  ///   - view: what is written.
  ///   - write: takes the bytes, from any thread.
  ///   - meter: takes the elements, from any thread.
  /// - Throws: `AdapterError` where base or adapters cannot be read; what `write` and `meter` throw.
  /// - Returns: the part of its change that survives; nil where no adapter has one.
  static func requantise(
    _ parameter: QuantisedParameter, in view: AdaptedCheckpoint,
    write: @escaping Requantisation.Sink, meter: @escaping Requantisation.Meter = { _ in }
  ) throws -> Survival? {
    let name = parameter.info.name
    guard let tensor = view.adapted(name), let reader = try view.reader(of: name) else {
      return nil
    }
    guard try reader.changes() else { return Survival(unchanged: parameter.info.shape.count) }
    let (rows, survival) = (try view.rows(of: tensor), Guarded(Survival()))
    try Requantisation(
      parameter, tileLength: rows.tileRowCount * rows.grid.columns, values: { try rows.floats($0) },
      write: write,
      meter: { run in
        var own = Survival()
        own.add(before: run.before, exact: run.wanted, rounded: run.result)
        survival.withLock { $0 += own }
        try meter(run)
      }
    ).run()
    try tensor.origin?.checkUnchanged()
    return survival.withLock(\.self)
  }

  /// Refuses changes of parameters whose codes cannot be made again.
  ///
  /// - Throws: `AdapterError`.
  static func check(_ view: AdaptedCheckpoint) throws {
    for parameter in view.checkpoint.decoded {
      guard let tensor = view.adapted(parameter.info.name) else { continue }
      if let reason = parameter.reasonNotToRequantise {
        throw AdapterError.notRequantised(parameter.info.name, reason)
      }
      guard !tensor.isMeasurable else { continue }
      throw AdapterError.notRequantised(
        parameter.info.name, "what takes its place has another shape, or nothing of it")
    }
  }
}

extension AdaptedRows {
  /// Elements of a tensor of F32.
  fileprivate func floats(_ range: Range<Int>) throws -> [Float] {
    var values = [Float](repeating: 0, count: range.count)
    try unsafe values.withUnsafeMutableBytesThrowing { memory in
      try unsafe read(4 * range.lowerBound..<4 * range.upperBound, into: memory, TileMemory())
    }
    return values
  }
}

internal import AdapterInsight
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// The new codes of the quantised parameters that adapters change, in a file of their own until they are in the shards:
/// scales need all values of a parameter before its first code, and some schemes store codes across to the rows.
///
/// Memory is some runs of elements, and at most the codes of one matrix.
struct RequantisedCodes {
  /// Where the bytes of the tensors are that are not the base's.
  let ranges: [Name: FileRange]
  /// The part of each parameter's change that survives, over all its elements.
  let survival: [Name: Survival]

  /// Works them out.
  ///
  /// - Parameters:
  ///   - view: what is written.
  ///   - target: beside which they wait; nil to measure alone.
  ///   - report: told how many bytes of values have been worked out.
  /// - Throws: `AdapterError` where a parameter's codes cannot be made again, or base or adapters not be read.
  init(
    _ view: AdaptedCheckpoint, beside target: FilePath?, _ report: @Sendable (Int) -> Void
  ) throws {
    let changed = try Self.changed(in: view)
    var places: [Name: Range<UInt64>] = [:]
    var size: UInt64 = 0
    let wanted = Set(changed.flatMap(\.tensors))
    for shard in view.checkpoint.shards.indices {
      for stored in view.checkpoint.tensorsAsStored(inShard: shard)
      where wanted.contains(stored.info.name) {
        places[stored.info.name] = size..<size + UInt64(stored.info.byteCount)
        size += UInt64(stored.info.byteCount)
      }
    }
    let placed = places
    let file = try target.map { try File(namelessBeside: $0, size: size) }
    let written = Guarded<Set<Name>>([])
    var survival: [Name: Survival] = [:]
    for parameter in changed {
      let (name, meter) = (parameter.info.name, Guarded(Survival()))
      guard let tensor = view.adapted(name) else { continue }
      let rows = try view.rows(of: tensor)
      try Requantisation(
        parameter, values: { try rows.floats($0) },
        write: { name, place, bytes in
          guard let file, let range = placed[name] else { return }
          try file.write(bytes, at: range.lowerBound + UInt64(place))
          _ = written.withLock { $0.insert(name) }
        },
        meter: { before, wanted, result in
          var own = Survival()
          own.add(before: before, exact: wanted, rounded: result)
          meter.withLock { $0 += own }
        }
      ).run()
      survival[name] = meter.withLock(\.self)
      report(4 * parameter.info.shape.count)
    }
    self.survival = survival
    let names = written.withLock(\.self)
    ranges =
      file.map { file in
        Dictionary(
          uniqueKeysWithValues: names.compactMap { name in
            places[name].map { (name, FileRange($0, of: file)) }
          })
      } ?? [:]
  }

  /// The parameters of which any value changes: of the others, codes and scales stay.
  private static func changed(in view: AdaptedCheckpoint) throws -> [QuantisedParameter] {
    let changed = Set(view.tensors.map(\.info.name))
    return try view.checkpoint.decoded.filter { parameter in
      try changed.contains(parameter.info.name)
        && view.reader(of: parameter.info.name)?.changes() == true
    }
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
    var bytes = [UInt8](repeating: 0, count: 4 * range.count)
    try unsafe bytes.withUnsafeMutableBytesThrowing { memory in
      try unsafe read(4 * range.lowerBound..<4 * range.upperBound, into: memory, TileMemory())
    }
    return unsafe bytes.withUnsafeBytes { memory in
      (0..<range.count).map {
        Float(
          bitPattern: UInt32(
            littleEndian: unsafe memory.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)))
      }
    }
  }
}

internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON
internal import SystemPackage

extension MergeVerification {
  /// The tensors of a checkpoint that should be a merge into a base that stays quantised, as the files have them: codes
  /// and scales are this program's own, byte for byte, or they differ.
  ///
  /// - Parameters:
  ///   - merged: the checkpoint.
  ///   - view: the base seen through the adapters.
  ///   - report: told how many bytes have been compared, and of how many.
  /// - Throws: `AdapterError` where anything cannot be read, or a merge would be refused.
  /// - Returns: what there is to say of each tensor, by name.
  static func codes(
    of merged: Checkpoint, as view: AdaptedCheckpoint, _ report: @Sendable (Int, UInt64) -> Void
  ) throws -> [Tensor] {
    let made = try RequantisedCodes(
      view, beside: Platform.temporaryFolder.appending("codes"), { _ in })
    let base = view.checkpoint
    var found = Dictionary(
      merged.tensors.map { ($0.info.name, $0) }, uniquingKeysWith: { first, _ in first })
    let codes = Set(base.decoded.map(\.info.name))
    let changed = Set(base.decoded.filter { made.survival[$0.info.name] != nil }.flatMap(\.tensors))
    func plain(_ name: Name, _ other: StoredTensor?) throws -> Tensor {
      try TensorVerification(
        name: name, view: view, expected: view.info(of: name), found: other, tolerance: 0
      ).run { _ in }
    }
    var result = try view.tensors.filter { $0.kind == .created }.map {
      try plain($0.info.name, found.removeValue(forKey: $0.info.name))
    }
    for stored in base.shards.indices.flatMap({ base.tensorsAsStored(inShard: $0) }) {
      let name = stored.info.name
      let other = found.removeValue(forKey: name)
      if !codes.contains(name), view.adapted(name) != nil {
        result.append(try plain(name, other))
      } else {
        result.append(
          try tensor(stored, made.ranges[name], isChanged: changed.contains(name), found: other))
      }
      report(stored.info.byteCount, base.byteCount)
    }
    result += found.values.map {
      .init(name: $0.info.name, kind: .additional, expected: nil, found: $0.info, difference: nil)
    }
    return result.sorted { $0.name < $1.name }
  }

  private static func tensor(
    _ stored: StoredTensor, _ made: FileRange?, isChanged: Bool, found: StoredTensor?
  ) throws -> Tensor {
    func result(_ kind: Kind, _ difference: Difference? = nil) -> Tensor {
      .init(
        name: stored.info.name, kind: kind, expected: stored.info, found: found?.info,
        difference: difference)
    }
    guard let found else { return result(.missing) }
    guard stored.info.shape == found.info.shape else { return result(.otherShape) }
    guard stored.info.type == found.info.type else { return result(.otherType) }
    var count = 0
    for range in stored.runs(of: 1 << 19) {
      let start = stored.byteCount(of: 0..<range.lowerBound)
      let expected =
        try made?.bytes(start..<start + stored.byteCount(of: range)) ?? stored.contents(of: range)
      count += expected.differences(from: try found.contents(of: range), of: stored.info.type).count
    }
    guard count > 0 else { return result(isChanged ? .identical : .untouched) }
    return result(
      isChanged ? .differs : .changed, Difference(count: count, largest: nil, change: nil))
  }
}

extension FileRange {
  fileprivate func bytes(_ range: Range<Int>) throws(StorageError) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: range.count)
    try unsafe result.withUnsafeMutableBytesThrowing { memory throws(StorageError) in
      try unsafe read(at: UInt64(range.lowerBound), into: memory)
    }
    return result
  }
}

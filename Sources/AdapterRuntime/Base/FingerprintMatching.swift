internal import AdapterFormat
internal import Operations
internal import Checkpoints
internal import Storage
internal import StrictJSON

extension FingerprintRecord {
  /// Holds a base against the samples.
  ///
  /// - Parameters:
  ///   - checkpoint: the base.
  ///   - adapter: the adapter that recorded them.
  ///   - bound: the same, bound to the base.
  /// - Throws: `AdapterError` where the base or the adapter cannot be read.
  /// - Returns: the verdict.
  func verdict(
    on checkpoint: Checkpoint, of adapter: Adapter, _ bound: BoundAdapter
  ) throws -> BaseVerdict {
    guard !tensors.isEmpty else { return .unknown }
    // The samples of a quantised base are of its values; one that cannot be decoded differs from them.
    let checkpoint = (try? checkpoint.dequantised()) ?? checkpoint
    let recorded = bound.targets(recordedBy: adapter)
    let names = storedNames(in: checkpoint, targets: recorded)
    let targets = Set(recorded.values)
    let unsampled = targets.subtracting(names.values).filter { name in
      checkpoint.tensor(name).map { Self.isSampled($0.info) } ?? true
    }
    return try BaseComparison(self, names, in: checkpoint)
      .verdict(for: bound, targets: targets, unsampled: unsampled.sorted())
  }

  /// Returns the error to report instead of one for a shape that does not fit, if the base's tensor is the recorded one
  /// with more rows; nil otherwise.
  ///
  /// - Throws: `CheckpointError` where the base cannot be read.
  func padding(
    behind error: AdapterError, of adapter: Adapter, in checkpoint: Checkpoint
  ) throws -> AdapterError? {
    guard error.kind == .shape, let parameter = error.place.map({ Name($0) }) else { return nil }
    let bound = adapter.operations.first { $0.target?.name == parameter }?.target?.bound ?? []
    for name in [parameter] + bound {
      guard let tensor = checkpoint.tensor(name),
        let recorded = tensors.first(where: { $0.name == name || bound.contains($0.name) }),
        tensor.info.shape.isPadded(recorded.shape)
      else { continue }
      let sample = try TensorSample(tensor, as: recorded.shape)
      if matches(sample, recorded) { return AdapterError.otherBase(.targetsPadded([name])) }
    }
    return nil
  }

  /// Where the recorded tensors are now: found as an adapter's targets are, since a base's names may have another
  /// prefix. Where some are not there, the targets say how the others are called.
  private func storedNames(in checkpoint: Checkpoint, targets: [Name: Name]) -> [Name: Name] {
    let shapes = Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0.shape) })
    func bind(_ names: [Name]) -> NameBinding? {
      try? NameBinding(names, hints: [:], in: checkpoint) { recorded, name in
        guard let stored = checkpoint.tensor(name)?.info.shape, let shape = shapes[recorded] else {
          return false
        }
        return stored == shape || stored.isPadded(shape)
      }
    }
    if let binding = bind(tensors.map(\.name)) { return binding.stored }
    let rule = bind(targets.keys.filter { shapes[$0] != nil }.sorted())
    let ties = TiedParameters(checkpoint)
    return Dictionary(
      uniqueKeysWithValues: tensors.map { tensor in
        let renamed = rule?.renamed(tensor.name) ?? tensor.name
        let isTied = checkpoint.tensor(renamed) == nil
        let tied = isTied ? ties.stored(for: renamed) : nil
        return (tensor.name, targets[tensor.name] ?? tied ?? renamed)
      })
  }

  // MARK: - One tensor

  /// Returns true if samples match the recorded ones: the same bytes, or in another type the same values.
  func matches(_ sample: TensorSample, _ recorded: TensorFingerprint) -> Bool {
    guard sample.type != recorded.type else { return sample.exact == recorded.exact }
    let hasSameValues = sample.value != nil && sample.value == recorded.value
    return hasSameValues || isClose(sample, recorded)
  }

  /// Rounding to F16 on the way may move a value by more than BF16's last bit: then the sketch
  /// decides, with |a − b| ≤ 2^−8 · max(|a|, |b|) + 2^−24.
  private func isClose(_ sample: TensorSample, _ recorded: TensorFingerprint) -> Bool {
    guard [sample.type, recorded.type].contains(.f16), sample.shape == recorded.shape,
      let now = sample.sketch, let then = sketch(of: recorded.name)
    else { return false }
    return zip(Self.floats(now), Self.floats(then)).allSatisfy { now, then in
      abs(now - then) <= 0x1p-8 * max(abs(now), abs(then)) + 0x1p-24
    }
  }

  /// The recorded values of a tensor; nil where there are none.
  func sketch(of name: Name) -> [UInt8]? {
    // They are sorted, and a file may hold many.
    var (low, high) = (0, sketch.count)
    while low < high {
      let middle = (low + high) / 2
      if sketch[middle].name < name { low = middle + 1 } else { high = middle }
    }
    return low < sketch.count && sketch[low].name == name ? sketch[low].bytes : nil
  }

  static func floats(_ bytes: [UInt8]) -> [Float] {
    stride(from: 0, to: bytes.count, by: 4).map { start in
      Float(bitPattern: bytes[start..<start + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) })
    }
  }
}

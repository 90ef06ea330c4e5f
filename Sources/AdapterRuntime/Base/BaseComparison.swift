internal import AdapterFormat
internal import Operations
internal import Checkpoints
internal import Storage
internal import StrictJSON

/// A base held against the samples that were taken of the one an adapter was made for.
struct BaseComparison {
  private let fingerprint: FingerprintRecord
  private let checkpoint: Checkpoint
  private var isExact = true
  private var missing: [Name] = []
  private var otherShape: [Name] = []
  private var padded: [Name] = []
  private var different: [DifferentTensor] = []
  /// The base's parameters that are quantised, and decoded to be compared.
  private let quantised: [Name: QuantisedParameter]

  /// Compares every tensor that was recorded.
  ///
  /// - Parameters:
  ///   - fingerprint: the samples.
  ///   - names: recorded name → name in the base, for those that are there.
  ///   - checkpoint: the base.
  /// - Throws: `CheckpointError` where the base cannot be read.
  init(
    _ fingerprint: FingerprintRecord, _ names: [Name: Name], in checkpoint: Checkpoint
  ) throws {
    self.fingerprint = fingerprint
    self.checkpoint = checkpoint
    quantised = Dictionary(
      checkpoint.decoded.map { ($0.info.name, $0) }, uniquingKeysWith: { first, _ in first })
    // The checkpoint keeps them: most of the time is waiting for these reads, and hashing.
    _ = try fingerprint.tensors.concurrentMap { recorded in
      let tensor = checkpoint.tensor(names[recorded.name] ?? recorded.name)
      if let tensor, tensor.info.shape == recorded.shape, tensor.info.type == recorded.type {
        _ = try checkpoint.sampleDigest(of: tensor)
      }
    }
    for recorded in fingerprint.tensors {
      let name = names[recorded.name] ?? recorded.name
      let tensor = checkpoint.tensor(name)
      // What was quantised since is there, in another form.
      if tensor?.info.type != recorded.type, checkpoint.quantisation(of: name) != nil {
        different.append(DifferentTensor(name))
      } else if let tensor {
        try compare(tensor, recorded)
      } else {
        missing.append(name)
      }
    }
  }

  private mutating func compare(
    _ tensor: StoredTensor, _ recorded: FingerprintRecord.TensorFingerprint
  ) throws {
    let (name, shape) = (tensor.info.name, tensor.info.shape)
    if shape == recorded.shape {
      let digest = try checkpoint.sampleDigest(of: tensor)
      if digest == recorded.exact { return }
    } else if !shape.isPadded(recorded.shape) {
      return otherShape.append(name)
    }
    let sample = try TensorSample(tensor, as: recorded.shape)
    guard fingerprint.matches(sample, recorded) else {
      guard shape == recorded.shape else { return otherShape.append(name) }
      return different.append(
        DifferentTensor(
          name, then: fingerprint.sketch(of: recorded.name), now: sample.sketch,
          near: quantised[name]?.errorBound))
    }
    if shape != recorded.shape { padded.append(name) }
    if sample.type != recorded.type { isExact = false }
  }

  /// Returns the result of the comparison.
  ///
  /// - Parameters:
  ///   - bound: the adapter, bound to the base.
  ///   - targets: the tensors of the base that it changes.
  ///   - unsampled: those of which there are no samples.
  /// - Throws: `AdapterError` where the adapter or the base cannot be read.
  /// - Returns: what speaks most against the base.
  func verdict(
    for bound: BoundAdapter, targets: Set<Name>, unsampled: [Name]
  ) throws -> BaseVerdict {
    guard missing.isEmpty, otherShape.isEmpty else {
      return .structureDiffers(missing: missing.sorted(), otherShape: otherShape.sorted())
    }
    let far = isNear ? different.filter { !$0.mayBeNear } : different
    let wrong = far.filter { targets.contains($0.name) }
    guard wrong.isEmpty else {
      let names = wrong.sorted(by: DifferentTensor.isWorse).map(\.name)
      return try RepeatedMerge.explains(wrong, bound)
        ? .alreadyMerged(names) : .targetsDiffer(names)
    }
    let sized = padded.filter(targets.contains)
    if !sized.isEmpty { return .targetsPadded(sized.sorted()) }
    if !far.isEmpty {
      return .othersDiffer(far.sorted(by: DifferentTensor.isWorse).map(\.name))
    }
    if !unsampled.isEmpty { return .targetsNotSampled(unsampled) }
    if let near = try nearness(for: bound, targets) { return .near(near) }
    if !padded.isEmpty { return .padded(padded.sorted()) }
    return isExact ? .exact : .sameValues
  }
}

extension BaseComparison {
  /// True if some quantised tensor has known values, and they are near the recorded ones.
  private var isNear: Bool { different.contains { $0.mayBeNear && $0.values != nil } }

  /// Returns the nearness of a base that holds the recorded values in quantised form; nil if it holds just what was
  /// recorded.
  private func nearness(
    for bound: BoundAdapter, _ targets: Set<Name>
  ) throws -> BaseVerdict.Nearness? {
    guard let first = different.first, let scheme = quantised[first.name]?.scheme else {
      return nil
    }
    let near = different.filter { targets.contains($0.name) }
    return BaseVerdict.Nearness(
      scheme: scheme, names: different.map(\.name).sorted(),
      distance: DifferentTensor.distance(of: different),
      distanceInChanges: try RepeatedMerge.distance(of: near, inChangesOf: bound))
  }
}

/// A tensor whose samples are not those that were recorded.
struct DifferentTensor {
  let name: Name
  /// Some values as they were recorded, and as they are; nil where there are none.
  let values: (then: [Float], now: [Float])?
  /// Up to which distance it may be the recorded one, quantised; nil where it is not quantised.
  private let bound: Double?

  init(_ name: Name, then: [UInt8]? = nil, now: [UInt8]? = nil, near bound: Double? = nil) {
    self.name = name
    self.bound = bound
    values =
      if let then, let now { (FingerprintRecord.floats(then), FingerprintRecord.floats(now)) } else
      { nil }
  }

  /// True if its values may be the recorded ones, quantised, as far as any are known.
  var mayBeNear: Bool {
    guard let bound else { return false }
    guard values != nil else { return true }
    return distance.map { $0 <= bound * bound } ?? false
  }

  /// The square of how far these values are from what they were, in relation to that; nil where that cannot be said.
  private var distance: Double? {
    guard let (change, size) = squares else { return nil }
    return change.isFinite && size > 0 ? change / size : nil
  }

  private var squares: (change: Double, size: Double)? {
    guard let values else { return nil }
    var (change, size) = (0.0, 0.0)
    for (then, now) in zip(values.then, values.now) {
      change += (Double(now) - Double(then)) * (Double(now) - Double(then))
      size += Double(then) * Double(then)
    }
    return (change, size)
  }

  /// How far all of some are from what they were, in relation to that.
  static func distance(of tensors: [DifferentTensor]) -> Double {
    let squares = tensors.compactMap(\.squares)
    let (change, size) = (
      squares.reduce(0) { $0 + $1.change }, squares.reduce(0) { $0 + $1.size }
    )
    return (change / size).squareRoot()
  }

  /// The farthest first; those of which it is not known last, by name.
  static func isWorse(_ left: DifferentTensor, _ right: DifferentTensor) -> Bool {
    let (mine, its) = (left.distance ?? -1, right.distance ?? -1)
    return mine == its ? left.name < right.name : mine > its
  }
}

extension Shape {
  /// Returns true if it is the other shape with more rows.
  func isPadded(_ other: Shape) -> Bool {
    guard let rows = dimensions.first, let otherRows = other.dimensions.first else { return false }
    return rows > otherRows && dimensions.dropFirst() == other.dimensions.dropFirst()
  }
}

public import AdapterFormat
public import Checkpoints
internal import Storage
public import StrictJSON

/// What a base's samples say about the base that an adapter was made for.
@nonexhaustive
public enum BaseVerdict: Sendable, Hashable {
  /// Every sample is the same, byte for byte.
  case exact
  /// Every sampled value is the same, in another element type.
  case sameValues
  /// The tensors that the adapter changes are the same; others are not.
  case othersDiffer([Name])
  /// Tensors that the adapter changes hold other values.
  case targetsDiffer([Name])
  /// The adapter records samples, but none of these tensors, which it changes.
  case targetsNotSampled([Name])
  /// The adapter records no samples: its base is trusted by name.
  case unknown

  /// The verdict's name for programs.
  public var code: String {
    switch self {
    case .exact: "exact"
    case .sameValues: "same_values"
    case .othersDiffer: "others_differ"
    case .targetsDiffer: "targets_differ"
    case .targetsNotSampled: "targets_not_sampled"
    case .unknown: "no_fingerprint"
    }
  }

  /// The verdict for people.
  public var sentence: String {
    switch self {
    case .exact: "matches in every sample"
    case .sameValues: "matches in every sample, in another element type"
    case .othersDiffer(let names):
      "the adapter's targets match, but \(Self.list(names)) not"
    case .targetsDiffer(let names): "\(Self.list(names)) other values than the adapter's base"
    case .targetsNotSampled(let names): "\(Self.list(names)) no sample in the adapter's fingerprint"
    case .unknown: "no fingerprint in the adapter: the base is trusted by name only"
    }
  }

  /// Whether a merge goes on.
  public var isAccepted: Bool {
    switch self {
    case .exact, .sameValues, .unknown: true
    case .othersDiffer, .targetsDiffer, .targetsNotSampled: false
    }
  }

  /// How much it speaks against the base.
  var doubt: Int {
    switch self {
    case .exact: 0
    case .sameValues: 1
    case .unknown: 2
    case .targetsNotSampled: 3
    case .othersDiffer: 4
    case .targetsDiffer: 5
    }
  }

  /// Whether the user may insist.
  var isOverridable: Bool {
    switch self {
    case .othersDiffer, .targetsNotSampled: true
    default: false
    }
  }

  private static func list(_ names: [Name]) -> String {
    let shown = names.prefix(3).map(\.text).joined(separator: ", ")
    let rest = names.count > 3 ? " and \(names.count - 3) more" : ""
    return shown + rest + (names.count == 1 ? " has" : " have")
  }
}

// MARK: - Taking and comparing samples

extension FingerprintRecord {
  /// How many tensors a fingerprint samples at most, beyond the adapter's targets.
  private static let maximumTensors = 4096

  /// Samples a base.
  ///
  /// - Parameters:
  ///   - checkpoint: the base.
  ///   - targets: the stored tensors that the adapter changes, which are always sampled.
  /// - Throws: `RuntimeError.checkpoint` where the base cannot be read.
  public init(of checkpoint: Checkpoint, targets: [Name]) throws(RuntimeError) {
    let chosen = Self.choose(checkpoint, targets: Set(targets))
    var tensors: [TensorFingerprint] = []
    var sketches: [Sketch] = []
    for tensor in chosen {
      let sample = try checking { () throws(CheckpointError) in try TensorSample(tensor) }
      tensors.append(
        TensorFingerprint(
          name: tensor.info.name, type: tensor.info.type, shape: tensor.info.shape,
          exact: sample.exact, value: sample.value))
      if let sketch = sample.sketch, sketches.count < FingerprintRecord.maximumSketchCount {
        sketches.append(Sketch(name: tensor.info.name, bytes: sketch))
      }
    }
    self.init(tensors: tensors, sketch: sketches)
  }

  /// All tensors that are no integers; of very many, the targets and 1,024 evenly chosen others.
  private static func choose(_ checkpoint: Checkpoint, targets: Set<Name>) -> [StoredTensor] {
    let all = checkpoint.tensors.filter { isSampled($0.info) }
      .sorted { $0.info.name < $1.info.name }
    guard all.count > maximumTensors else { return all }
    let others = all.filter { !targets.contains($0.info.name) }
    let count = min(1024, others.count)
    let evenly = (0..<count).map { others[$0 * others.count / count] }
    return all.filter { targets.contains($0.info.name) } + evenly
  }

  private static func isSampled(_ info: TensorInfo) -> Bool {
    switch info.type {
    case .bool, .i8, .i16, .u16, .i32, .u32, .i64, .u64: false
    default: info.shape.dimensions.count <= Limits.dimensions
    }
  }

  /// Holds a base against the samples.
  ///
  /// - Parameters:
  ///   - checkpoint: the base.
  ///   - targets: the stored tensors that the adapter changes, by the names they were recorded under.
  /// - Throws: `RuntimeError.checkpoint` where the base cannot be read.
  /// - Returns: the verdict.
  func verdict(
    on checkpoint: Checkpoint, targets: [Name: Name]
  ) throws(RuntimeError) -> BaseVerdict {
    guard !tensors.isEmpty else { return .unknown }
    var isExact = true
    var different: [Name] = []
    let names = storedNames(in: checkpoint, targets: targets)
    let targets = Set(targets.values)
    let unsampled = targets.subtracting(names.values).filter { name in
      checkpoint.tensor(name).map { Self.isSampled($0.info) } ?? true
    }
    guard unsampled.isEmpty else { return .targetsNotSampled(unsampled.sorted()) }
    for recorded in tensors {
      guard let tensor = names[recorded.name].flatMap(checkpoint.tensor) else {
        different.append(recorded.name)
        continue
      }
      let digest = try checking { () throws(CheckpointError) in
        try checkpoint.sampleDigest(of: tensor)
      }
      if digest == recorded.exact { continue }
      let sample = try checking { () throws(CheckpointError) in try TensorSample(tensor) }
      isExact = false
      let isSame = sample.value != nil && sample.value == recorded.value
      if !isSame, !isClose(sample, recorded) { different.append(tensor.info.name) }
    }
    let wrongTargets = different.filter(targets.contains)
    if !wrongTargets.isEmpty { return .targetsDiffer(wrongTargets) }
    if !different.isEmpty { return .othersDiffer(different) }
    return isExact ? .exact : .sameValues
  }

  /// Rounding to F16 on the way may move a value by more than BF16's last bit: then the sketch
  /// decides, with |a − b| ≤ 2^−8 · max(|a|, |b|) + 2^−24.
  private func isClose(_ sample: TensorSample, _ recorded: TensorFingerprint) -> Bool {
    guard sample.type != recorded.type, [sample.type, recorded.type].contains(.f16),
      sample.shape == recorded.shape, let now = sample.sketch,
      let then = sketch.first(where: { $0.name == recorded.name })?.bytes
    else { return false }
    return zip(Self.floats(now), Self.floats(then)).allSatisfy { now, then in
      abs(now - then) <= 0x1p-8 * max(abs(now), abs(then)) + 0x1p-24
    }
  }

  private static func floats(_ bytes: [UInt8]) -> [Float] {
    stride(from: 0, to: bytes.count, by: 4).map { start in
      Float(bitPattern: bytes[start..<start + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) })
    }
  }

  /// Where the recorded tensors are now: found as an adapter's targets are, since a base's names may
  /// have another prefix. Where that does not find them all, by their own names, and the targets
  /// where the adapter's binding has found them.
  private func storedNames(
    in checkpoint: Checkpoint, targets: [Name: Name]
  ) -> [Name: Name] {
    let shapes = Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0.shape) })
    let binding = try? NameBinding(tensors.map(\.name), hints: [:], in: checkpoint) {
      checkpoint.tensor($1)?.info.shape == shapes[$0]
    }
    if let binding { return binding.stored }
    return Dictionary(
      uniqueKeysWithValues: tensors.map { ($0.name, targets[$0.name] ?? $0.name) })
  }
}

public import AdapterFormat
public import Checkpoints
internal import Storage
public import StrictJSON

extension FingerprintRecord {
  /// How many tensors a fingerprint samples at most, beyond the adapter's targets.
  private static let maximumTensors = 4096

  /// Samples a base.
  ///
  /// - Parameters:
  ///   - checkpoint: the base.
  ///   - targets: the stored tensors that the adapter changes, which are always sampled.
  /// - Throws: `CheckpointError` where the base cannot be read.
  public init(of checkpoint: Checkpoint, targets: [Name]) throws {
    let chosen = Self.choose(checkpoint, targets: Set(targets))
    let samples = try chosen.concurrentMap { tensor in
      let sample = try TensorSample(tensor)
      let name = tensor.info.name
      let record = TensorFingerprint(
        name: name, type: tensor.info.type, shape: tensor.info.shape, exact: sample.exact,
        value: sample.value)
      return (record, sketch: sample.sketch.map { Sketch(name: name, bytes: $0) })
    }
    let sketches = samples.compactMap(\.sketch).prefix(FingerprintRecord.maximumSketchCount)
    self.init(tensors: samples.map(\.0), sketch: Array(sketches))
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

  /// Whether a fingerprint has a place for a tensor.
  static func isSampled(_ info: TensorInfo) -> Bool {
    switch info.type {
    case .bool, .i8, .i16, .u16, .i32, .u32, .i64, .u64: false
    default: info.shape.dimensions.count <= Limits.dimensions
    }
  }
}

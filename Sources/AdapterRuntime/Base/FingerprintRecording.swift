public import AdapterFormat
public import Checkpoints
internal import Storage
public import StrictJSON

extension FingerprintRecord {
  /// How many tensors a fingerprint samples at most, beyond the adapter's targets.
  private static let maximumTensors = 4096
  /// How many it samples at least: fewer would say little of a base.
  private static let fewestTensors = 8
  /// A base of so few tensors is sampled whole.
  private static let smallBase = 32
  /// The approximate size of a tensor's digests and sketch in a file: they cannot be compressed.
  private static let recordByteCount = 184

  /// Samples a base.
  ///
  /// - Parameters:
  ///   - checkpoint: the base.
  ///   - targets: the stored tensors that the adapter changes, which are always sampled, as are the others of their
  ///     modules.
  ///   - byteCount: what the adapter's tensors take. Samples of other tensors take a tenth of it at most, so that a small
  ///     adapter does not become a large file.
  /// - Throws: `CheckpointError` where the base cannot be read.
  public init(of checkpoint: Checkpoint, targets: [Name], adapterOf byteCount: Int) throws {
    let targets = Set(targets)
    let all = checkpoint.tensors.filter { Self.isSampled($0.info) }
      .sorted { $0.info.name < $1.info.name }
    // What else a module holds says if an adapter replaces all of it.
    let modules = Set(targets.map(\.module))
    let isNear = { (name: Name) in targets.contains(name) || modules.contains(name.module) }
    let changed = all.filter { isNear($0.info.name) }
    let unchanged = all.filter { !isNear($0.info.name) }
    let others = Self.spread(
      unchanged, byteCount / 10 / Self.recordByteCount, beside: changed.count)
    let samples = try (changed + others).concurrentMap { tensor in
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

  /// So many evenly chosen ones of the tensors that the adapter leaves alone; more where all would be too few.
  private static func spread(
    _ tensors: [StoredTensor], _ affordable: Int, beside targetCount: Int
  ) -> [StoredTensor] {
    guard targetCount + tensors.count > smallBase else { return tensors }
    let most = targetCount + tensors.count > maximumTensors ? 1024 : tensors.count
    let count = min(tensors.count, most, max(affordable, fewestTensors - targetCount, 0))
    return (0..<count).map { tensors[$0 * tensors.count / count] }
  }

  /// Returns true if a fingerprint has a place for a tensor.
  static func isSampled(_ info: TensorInfo) -> Bool {
    switch info.type {
    case .bool, .i8, .i16, .u16, .i32, .u32, .i64, .u64: false
    default: info.shape.dimensions.count <= Limits.dimensions
    }
  }
}

extension Name {
  /// The module that a parameter is of; the name itself where it is of none.
  fileprivate var module: Name {
    guard let dot = text.lastIndex(of: ".") else { return self }
    return Name(String(text[..<dot]))
  }
}

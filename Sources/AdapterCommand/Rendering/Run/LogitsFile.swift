internal import Checkpoints
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// A safetensors file with one tensor, `logits` F32 [vocabulary].
struct LogitsFile {
  let path: String
  private let output: OutputFile

  /// Opens it, so that a place that cannot be written is known before the model runs.
  ///
  /// - Parameters:
  ///   - path: where it will be.
  ///   - replacing: whether a file that is there may be replaced.
  ///   - sources: what the model is read from: who may not read these may not read its logits.
  /// - Throws: `Failure` where it cannot be written.
  init(_ path: String, replacing: Bool, from sources: [FilePath]) throws(Failure) {
    self.path = path
    output = try rethrowing(as: { Failure($0) }) { () throws(StorageError) in
      try OutputFile(FilePath(path), replacing: replacing, inputs: sources)
    }
  }

  func write(_ values: [Float]) throws(Failure) {
    guard let shape = Shape([UInt64(values.count)]) else {
      throw Failure("\(values.count) logits are too many for a file")
    }
    let info = TensorInfo(name: "logits", type: .f32, shape: shape)
    let data = values.flatMap { value in
      (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) }
    }
    let bytes = SafetensorsHeader(canonical: [info], metadata: nil).encoded + data
    try rethrowing(as: { Failure($0) }) { () throws(StorageError) in
      try output.write(bytes)
      try output.commit()
    }
  }
}

internal import Checkpoints
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// A safetensors file with one tensor, `logits` F32 [vocabulary].
struct LogitsFile {
  private let bytes: [UInt8]

  init(_ values: [Float]) throws(Failure) {
    guard let shape = Shape([UInt64(values.count)]) else {
      throw Failure("\(values.count) logits are too many for a file")
    }
    let info = TensorInfo(name: "logits", type: .f32, shape: shape)
    let data = values.flatMap { value in
      (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * $0)) }
    }
    bytes = SafetensorsHeader(canonical: [info], metadata: nil).encoded + data
  }

  func write(to output: String, replacing: Bool) throws(Failure) {
    try rethrowing(as: { Failure($0) }) { () throws(StorageError) in
      let file = try OutputFile(FilePath(output), replacing: replacing)
      try file.write(bytes)
      try file.commit()
    }
  }
}

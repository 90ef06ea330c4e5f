import AdapterInterop
import Checkpoints
import Operations
import Storage
import TestSupport

/// GGUF adapters: what is accepted for one of a few bases is packed, and can be written again.
enum GGUFBody {
  static let bases = ["tiny-llama-f32", "tiny-llama", "tiny-llama-16", "run-llama"].compactMap {
    try? Checkpoint(Repository.base($0))
  }

  static func run(_ bytes: [UInt8]) throws(BrokenProperty) -> Bool {
    for base in bases {
      guard let adapter = try? ForeignReaders.gguf(MemoryBytes(bytes), for: base) else { continue }
      let packed = try Packing.pack(adapter)
      let export = try BrokenProperty.unlessHolds("what was read can be written") {
        try Formats.gguf.export(packed, ExportChoices(base: base))
      }
      try BrokenProperty.unless(
        export.losses.allSatisfy { $0.kind != .effect }, "what was read is lost")
      return true
    }
    return false
  }
}

/// Adapters of ONNX Runtime: the same.
enum ONNXBody {
  static func run(_ bytes: [UInt8]) throws(BrokenProperty) -> Bool {
    guard let adapter = try? ForeignReaders.onnx(MemoryBytes(bytes)) else { return false }
    let packed = try Packing.pack(adapter)
    let export = try? Formats.onnx.export(packed)
    try BrokenProperty.unless(
      export?.losses.allSatisfy { $0.kind != .effect } ?? true, "what was read is lost")
    return true
  }
}

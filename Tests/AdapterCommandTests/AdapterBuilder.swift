import AdapterFormat
import Storage
import StrictJSON

/// Files that no converter of this version writes.
enum AdapterBuilder {
  /// An adapter of one F32 tensor `values`, [2, 2], and one operation on it.
  static func file(operation: String) throws -> [UInt8] {
    let sink = MemorySink()
    var writer = try AdapterWriter(to: sink)
    var record = AdapterRecord(name: "default", method: "test")
    record.operations = [
      OperationRecord(op: operation, target: nil, tensors: [.init("values", Operand("values"))])
    ]
    guard let shape = Shape([2, 2]) else { return [] }
    let info = TensorInfo(name: "values", type: .f32, shape: shape)
    let bytes = MemoryBytes([UInt8](repeating: 0, count: info.byteCount))
    try writer.append(record, tensors: [TensorContents(info, bytes: bytes, offset: 0)])
    try writer.finish(generator: "test")
    return sink.bytes
  }
}

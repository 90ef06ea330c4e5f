internal import AdapterFormat
internal import Checkpoints
internal import Operations
internal import Storage

/// The adapter that ONNX Runtime loads: named inputs of a graph, in the one convention that is known, that of Olive and
/// onnxruntime-genai.
struct ONNXFormat: WritableFormat {
  static let name = "onnx"

  var name: String { Self.name }
  var title: String { "an adapter of ONNX Runtime" }
  var suffix: String? { ".onnx_adapter" }

  /// By the identifier of its FlatBuffer.
  func recognises(_ source: ForeignSource) -> Bool {
    source.kind == .file && source.head.count >= 8
      && source.head[4..<8].elementsEqual("TORT".utf8)
  }

  func read(_ source: ForeignSource, _ choices: ImportChoices) throws -> ForeignImport {
    do {
      return try ONNXImport(File(source.path), source.path, choices).result()
    } catch let fault as FlatBufferFault {
      throw InteropError(.malformed, at: .file(source.path), fault.reason)
    }
  }

  func export(_ adapter: Adapter, _ choices: ExportChoices) throws -> ForeignExport {
    try ONNXExport(adapter).result
  }
}

internal import AdapterFormat
public import Checkpoints
public import Operations
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// The biases of a fine-tuned model in a safetensors file of their own, the way BitFit is passed on: as
/// values, `M.bias` each.
///
/// | the file | here |
/// |---|---|
/// | `M.bias` [out] | `replace` on `M.bias` |
///
/// With a base at hand they are better held as differences: `BiasExtraction` of AdapterRuntime.
public struct BiasTensors: Sendable {
  /// The adapter.
  public let adapter: Adapter

  /// Returns true if a file holds biases and nothing else.
  public static func areAll(_ file: SafetensorsFile) -> Bool {
    !file.header.tensors.isEmpty
      && file.header.tensors.allSatisfy { $0.info.name.hasSuffix(".bias") }
  }

  /// Takes the biases as they are.
  ///
  /// - Throws: `InteropError` where a tensor breaks a rule of the format.
  public init(_ file: SafetensorsFile) throws {
    var operations: [Operation] = []
    var tensors: [TensorContents] = []
    for tensor in file.header.tensors {
      let replace = Replace(target: Target(tensor.info.name), value: TypedOperand(tensor.info))
      operations.append(
        try Operation(replace))
      tensors.append(
        TensorContents(tensor.info, bytes: file.file, offset: file.offset(of: tensor)))
    }
    adapter = Adapter(
      name: "default", method: "bitfit", operations: operations, inert: [], source: nil, files: [],
      base: nil, tensors: tensors)
  }
}

/// Biases alone, in a safetensors file.
struct BiasTensorsFormat: ForeignFormat {
  var name: String { "biases" }
  var title: String { "biases alone" }
  var isCheckpoint: Bool { true }
  var holdsTunedValues: Bool { true }

  func recognises(_ source: ForeignSource) -> Bool {
    source.tensors.map(BiasTensors.areAll) ?? false
  }

  func read(
    _ source: ForeignSource, _ choices: ImportChoices
  ) throws -> ForeignImport {
    try ForeignImport(try BiasTensors(source.openTensors()).adapter)
  }
}

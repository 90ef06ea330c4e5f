package import Checkpoints
package import Operations
package import Storage
internal import SystemPackage

/// The readers of binary formats, for bytes that are in no file: the fuzzers' way in.
package enum ForeignReaders {
  /// Reads a GGUF adapter for a base.
  ///
  /// - Throws: `InteropError` where anything of it is not understood.
  package static func gguf(
    _ bytes: any RandomAccessBytes, for base: Checkpoint
  ) throws -> Adapter {
    var choices = ImportChoices()
    choices.base = base
    let path: FilePath = "adapter.gguf"
    return try GGUFImport(GGUFReader(bytes, path), path, choices).result().adapter
  }

  /// Reads an adapter of ONNX Runtime.
  ///
  /// - Throws: `InteropError` or `FlatBufferFault` where anything of it is not understood.
  package static func onnx(_ bytes: any RandomAccessBytes) throws -> Adapter {
    try ONNXImport(bytes, "adapter.onnx_adapter", ImportChoices()).result().adapter
  }
}

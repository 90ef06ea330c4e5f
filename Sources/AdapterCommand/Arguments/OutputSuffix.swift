/// The names that outputs may have.
enum OutputSuffix {
  private static let known = [
    ".adp", ".safetensors", ".gguf", ".bin", ".pt", ".ckpt", ".onnx_adapter", ".onnx",
    ".npz",
  ]

  /// Refuses a name that says another kind of file than is written.
  ///
  /// - Parameters:
  ///   - output: the output as it was given.
  ///   - suffix: the suffix of what is written; nil for a folder, which has none.
  /// - Throws: `Failure`.
  static func check(_ output: String, for suffix: String?) throws(Failure) {
    let name = output.lowercased()
    guard let said = known.first(where: name.hasSuffix), said != suffix else { return }
    let stem = output.dropLast(said.utf8.count)
    throw Failure(
      "\(output) would be a \(suffix.map { "\($0) file" } ?? "folder"), and is called \(said)",
      hint: "name it so: -o \(stem)\(suffix ?? "")")
  }
}

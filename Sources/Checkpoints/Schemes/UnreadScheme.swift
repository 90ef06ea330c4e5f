internal import StrictJSON

extension Checkpoint {
  /// The scheme that its weights are stored in, where it is one that is known by its name only: that of the
  /// configuration's `quant_method`, or one whose tensors have names of their own.
  package var unreadScheme: String? {
    if let method = (try? QuantisationConfig(of: self))?.text("quant_method") {
      return Self.readMethods.contains(method.lowercased()) ? nil : method
    }
    for name in names {
      if let scheme = Self.unreadEndings.first(where: { name.hasSuffix($0.ending) }) {
        return scheme.name
      }
    }
    return nil
  }

  /// Values of `quant_method` whose tensors are read; the tensors themselves decide how.
  private static let readMethods: Set<String> = [
    "bitsandbytes", "fp8", "mxfp8", "fbgemm_fp8", "modelopt", "mxfp4", "compressed-tensors", "gptq",
    "auto-round", "awq",
  ]

  private static let unreadEndings: [(ending: Name, name: String)] = [
    (".W_q", "hqq"), ("._weight_qdata", "torchao"), (":_data", "torchao"),
  ]
}

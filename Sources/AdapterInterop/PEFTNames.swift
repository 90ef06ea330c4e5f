internal import StrictJSON

/// What a tensor's name in a PEFT file says: which module, and which part of its change.
///
/// | name | module | part |
/// |---|---|---|
/// | `base_model.model.M.lora_A.weight`, `….lora_A.default.weight` | `M` | A |
/// | `base_model.model.M.lora_B.weight`, `….lora_B.default.weight` | `M` | B |
/// | `base_model.M.…` (one `model.` less), `M.…` (no prefix), either of them repeated | `M` | |
///
/// Wrappers of compilers and distributed training inside M are dropped: `_orig_mod`,
/// `_fsdp_wrapped_module`, `_checkpoint_wrapped_module`, and a leading `module`.
struct PEFTName {
  enum Part {
    case a
    case b
  }

  /// The module's name as PEFT matches patterns against it.
  let module: Name
  let part: Part

  init(_ name: Name) throws(InteropError) {
    var path = name.text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    path.removeAll(where: Self.wrappers.contains)
    path.removeFirstRepeatedly(["base_model", "model"])
    path.removeFirstRepeatedly(["base_model"])
    path.removeFirstRepeatedly(["module"])
    guard let role = path.lastIndex(where: { $0.hasPrefix("lora_") }) else {
      throw .unknownTensor(name, reason: "not understood: no part of a LoRA")
    }
    let tail = path[(role + 1)...].filter { $0 != "default" }
    switch (path[role], tail) {
    case ("lora_A", ["weight"]): part = .a
    case ("lora_B", ["weight"]): part = .b
    default:
      let kind = ([path[role]] + tail).joined(separator: ".")
      throw .unknownTensor(name, reason: "\(kind) is not supported by this version")
    }
    guard role > 0, !path[..<role].contains("base_layer") else {
      throw .unknownTensor(name, reason: "nested layers are not supported by this version")
    }
    module = Name(path[..<role].joined(separator: "."))
  }

  private static let wrappers: Set<String> = [
    "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module",
  ]
}

extension [String] {
  fileprivate mutating func removeFirstRepeatedly(_ prefix: [String]) {
    while starts(with: prefix) { removeFirst(prefix.count) }
  }
}

internal import StrictJSON

/// The meaning of a tensor's name in a PEFT file: the module, and the part of its change.
///
/// | name | module | part |
/// |---|---|---|
/// | `base_model.model.M.PART.weight`, `….PART.default.weight`, `….PART.bias` | `M` | `PART`, and `weight` or `bias` |
/// | `base_model.model.M.PART`, `….PART.default` | `M` | `PART` |
/// | `base_model.model.M.weight`, `M.base_layer.weight`, `M.modules_to_save[.default].weight` | | the parameter `M.weight` in full |
/// | `M.original_module.weight` | | `M.weight` before the training |
/// | `base_model.M.…` (one `model.` less), `M.…` (no prefix), either of them repeated | `M` | |
/// | `module.base_model.model.M.…`, `model.base_model.model.M.…`: a trainer's wrapper in front | `M` | |
///
/// Wrappers inside M are dropped: those of compilers and distributed training (`_orig_mod`,
/// `_fsdp_wrapped_module`, `_checkpoint_wrapped_module`, a leading `module`), and PEFT's own
/// (`base_layer`, `token_adapter`, `modules_to_save`). How many `base_layer` stand at its end is kept,
/// and what stands before one in its middle.
struct PEFTName {
  /// The kind of tensor.
  enum Kind: Hashable {
    /// A part of a method, such as `lora_A`; the word after it, or nothing.
    case part(String, leaf: String)
    /// A parameter of the model in full.
    case parameter(isBaseLayer: Bool, isModuleToSave: Bool)
    /// A parameter as it was before the training, which PEFT's wrapper keeps beside the trained one.
    case original
  }

  /// The module's name as PEFT matches patterns against it; of a parameter in full, its own name.
  let module: Name
  let kind: Kind
  /// `base_layer`s at the end of the module's path: which wrapper of several it is.
  let depth: Int
  /// The wrapped module that this one is a part of: what stands before a `base_layer` in its middle.
  let parent: Name?

  /// - Parameters:
  ///   - name: the tensor's name.
  ///   - parts: the words that name parts of the method.
  ///   - adapter: the adapter's name, which is left out; `default` always is.
  init(_ name: Name, parts: Set<String>, adapter: String? = nil) {
    var path = name.text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    path.removeAll(where: Self.wrappers.contains)
    if let start = path.firstIndex(of: "base_model"),
      path[..<start].allSatisfy(Self.trainers.contains)
    {
      path.removeSubrange(..<start)
    }
    path.removeFirstRepeatedly(["base_model", "model"])
    path.removeFirstRepeatedly(["base_model"])
    path.removeFirstRepeatedly(["module"])
    if let place = path.lastIndex(where: parts.contains) {
      let words = path[(place + 1)...]
      let leaf = (words.first == adapter ? words.dropFirst() : words).filter { $0 != "default" }
        .joined(separator: ".")
      kind = .part(path[place], leaf: leaf)
      path.removeSubrange(place...)
      depth = path.reversed().prefix { $0 == "base_layer" }.count
      path.removeLast(depth)
    } else {
      let isModuleToSave = path.contains("modules_to_save")
      kind =
        path.contains("original_module")
        ? .original
        : .parameter(
          isBaseLayer: path.dropLast().last == "base_layer", isModuleToSave: isModuleToSave)
      if let place = path.lastIndex(of: "modules_to_save"), path[(place + 1)...].first == adapter,
        adapter != nil
      {
        path.remove(at: place + 1)
      }
      if isModuleToSave { path.removeAll { $0 == "default" } }
      depth = 0
      if path.dropLast().last == "base_layer" { path.remove(at: path.count - 2) }
    }
    parent = path.lastIndex(of: "base_layer").map { place in
      Name(path[..<place].filter { !Self.infixes.contains($0) }.joined(separator: "."))
    }
    module = Name(path.filter { !Self.infixes.contains($0) }.joined(separator: "."))
  }

  private static let wrappers: Set<String> = [
    "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module",
  ]
  /// Wrappers of a whole model: `module` of distributed training, `model` of Lightning.
  private static let trainers: Set<String> = ["module", "model"]
  private static let infixes: Set<String> = ["base_layer", "token_adapter", "modules_to_save"]
}

extension [String] {
  fileprivate mutating func removeFirstRepeatedly(_ prefix: [String]) {
    while starts(with: prefix) { removeFirst(prefix.count) }
  }
}

internal import Operations
internal import Checkpoints
internal import Storage
internal import StrictJSON

/// Parameters that an adapter of any method may hold in full.
///
/// | PEFT | here |
/// |---|---|
/// | a module of `modules_to_save`, or the head of its `task_type`, its buffers too | `replace`; made where the base lacks it |
/// | `M.bias` with `bias` other than "none" | `replace` on `M.bias` |
/// | `M.base_layer.weight`, `lm_head.weight` and the like: embeddings saved along | `replace`, which may resize |
/// | `M.trainable_tokens_delta` [k, dim] and the list of tokens | `replace_rows` on `M.weight` |
extension PEFTMeaning {
  mutating func addReplacements(areWhole: Bool) throws {
    let named = try config.texts("modules_to_save")
    let saved = named + config.headsOfTask
    let bias = config.text("bias") ?? "none"
    // PEFT may save a module twice, under its own name and under its wrapper's: they are one.
    let wrapped = Set(
      tensors.parameters.compactMap { entry -> Name? in
        if case .parameter(_, isModuleToSave: true) = entry.name.kind {
          entry.name.module
        } else {
          nil
        }
      })
    for (name, info) in tensors.parameters {
      guard case .parameter(let isBaseLayer, let isModuleToSave) = name.kind else {
        tensors.setAside(info, reason: "the value before the training")
        continue
      }
      if !isModuleToSave, wrapped.contains(name.module) {
        tensors.setAside(info, reason: "\(name.module) is in the file under its wrapper's name too")
        continue
      }
      let path = name.module.text.split(separator: ".").map(String.init)
      let module = Name(path.dropLast().joined(separator: "."))
      let isVocabulary = AnyFamily.isVocabulary(name.module)
      let isSaved = isModuleToSave || Self.holds(saved, module)
      guard isSaved || isBaseLayer || isVocabulary || (path.last == "bias" && bias != "none")
      else { continue }
      try append(
        Replace(
          target: Target(name.module), value: try tensors.take(info),
          absent: isSaved ? .create : .refuse,
          canResize: path.last == "weight" && info.shape.dimensions.count == 2 && isVocabulary))
    }
    if areWhole { try checkSaved(named) }
  }

  /// PEFT adds the usual names of a task's head itself, whatever the model calls it; what a user names is there.
  private func checkSaved(_ named: [String]) throws {
    let isSaved = tensors.parameters.contains { name, _ in
      if case .parameter(_, isModuleToSave: true) = name.kind { return true }
      return Self.holds(
        named, Name(name.module.text.split(separator: ".").dropLast().joined(separator: ".")))
    }
    let chosen = named.filter { !config.headsOfTask.contains($0) }
    guard !isSaved, !chosen.isEmpty else { return }
    throw InteropError.field(
      "modules_to_save", "names \(chosen.joined(separator: ", ")), and the file has nothing of it")
  }

  /// PEFT compares endings, without a dot before them; a module's own modules are a part of it.
  private static func holds(_ saved: [String], _ module: Name) -> Bool {
    guard !saved.isEmpty else { return false }
    let path = module.text.split(separator: ".").map(String.init)
    let modules = path.indices.map { Name(path[...$0].joined(separator: ".")) }
    return saved.contains { saved in
      let ending = Name(saved)
      return modules.contains { $0.hasSuffix(ending) }
    }
  }

  /// Adds rows of embeddings, of the tokens that a field lists.
  mutating func addTrainableTokens(_ field: Name, areWhole: Bool) throws {
    let isPromised = areWhole && config[field].map { $0.elementCount > 0 } ?? false
    guard
      !isPromised
        || tensors.modules.contains(where: { $0.parts.keys.contains("trainable_tokens_delta") })
    else { throw InteropError.field(field, "names tokens, and the file has no rows for them") }
    for module in tensors.modules {
      guard let values = try tensors.takeIfThere("trainable_tokens_delta", of: module) else {
        continue
      }
      let rows = try tokens(of: module.name, field)
      guard values.shape.first == rows.count else {
        throw InteropError.tensors(
          "\(module.name): \(field) names \(rows.count) tokens, the file has \(values.shape)")
      }
      try append(
        ReplaceRows(target: Target(Name("\(module.name).weight")), rows: rows, values: values))
    }
  }

  /// One list for the input embeddings, or one for each module.
  private func tokens(of module: Name, _ field: Name) throws -> [Int] {
    guard let value = config[field] else { throw InteropError.field(field, "missing") }
    guard case .object(let members) = value else { return try config.integers(value, field) }
    // As PEFT compares them: by their endings.
    let entry = members.first { module.hasSuffix($0.key) }
    guard let entry else { throw InteropError.field(field, "does not name \(module)") }
    return try config.integers(entry.value, field)
  }
}

extension PEFTConfig {
  /// Modules that PEFT trains and saves with a task, whatever the configuration says: until 0.10 it did not write them
  /// there.
  fileprivate var headsOfTask: [String] {
    switch text("task_type") {
    case "SEQ_CLS", "TOKEN_CLS": ["classifier", "score"]
    case "QUESTION_ANS": ["qa_outputs"]
    default: []
    }
  }
}

internal import AdapterFormat
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// Parameters that a method of PEFT holds in full beside its own tensors.
///
/// | here | PEFT |
/// |---|---|
/// | `replace` on a parameter of a module that the method wraps | `M.base_layer.weight` |
/// | on a bias that the base must have | `M.bias`, with `bias` "all" or "lora_only" |
/// | on a vocabulary's weight that the base must have, and that may be of another size | `M.weight`: an embedding saved along |
/// | on any other | `M.weight`, M one of `modules_to_save` |
extension PEFTDraft {
  private struct Saved {
    let replace: Replace
    let name: ParameterName
  }

  /// Writes the `replace` operations.
  ///
  /// - Parameters:
  ///   - wrapped: modules that the method wraps.
  ///   - holdsBiases: whether the method has a field `bias`.
  mutating func writeParameters(beside wrapped: Set<Name>, holdsBiases: Bool) {
    let all = savedParameters()
    func isBias(_ saved: Saved) -> Bool {
      holdsBiases && saved.name.leaf == "bias" && saved.replace.absent == .refuse
    }
    func isEmbedding(_ saved: Saved) -> Bool {
      saved.replace.absent == .refuse && saved.replace.canResize
        && AnyFamily.isVocabulary(saved.replace.target.name)
    }
    let modules = Set(
      all.filter { !wrapped.contains($0.name.module) && !isBias($0) && !isEmbedding($0) }
        .map(\.name.module))
    checkWhole(modules, all)
    for saved in all {
      let leaf =
        wrapped.contains(saved.name.module) ? "base_layer.\(saved.name.leaf)" : saved.name.leaf
      add(Self.key(saved.name.module, leaf), saved.replace.value)
      if saved.replace.result != nil {
        lose(.record, saved.replace, "the digest of its result")
      }
    }
    fields["modules_to_save"] = modules.isEmpty ? .null : .names(modules)
    guard holdsBiases else { return }
    let biases = all.filter { isBias($0) && !modules.contains($0.name.module) }
    let areWrapped = biases.allSatisfy { wrapped.contains($0.name.module) }
    fields["bias"] = .string(biases.isEmpty ? "none" : areWrapped ? "lora_only" : "all")
  }

  /// The replacements that can be written; of the others what is lost.
  private mutating func savedParameters() -> [Saved] {
    var all: [Saved] = []
    var changed: Set<Name> = []
    for operation in adapter.operations {
      guard let target = operation.target?.name else { continue }
      let isFirst = changed.insert(target).inserted
      guard let replace = operation.as(Replace.self) else { continue }
      guard let name = ParameterName(target) else {
        lose(.effect, operation, "it is a parameter without a module, and PEFT saves modules")
        continue
      }
      guard isFirst else {
        lose(.effect, operation, "it comes after another change, and PEFT replaces first")
        continue
      }
      all.append(Saved(replace: replace, name: name))
    }
    return all
  }

  /// PEFT loads a module of `modules_to_save` as a whole: what the base has of it must be there.
  private mutating func checkWhole(_ modules: Set<Name>, _ all: [Saved]) {
    let base = Set(adapter.base?.fingerprint?.tensors.map(\.name) ?? [])
    let replaced = Set(all.map(\.replace.target.name))
    var parts: [Name: [Name]] = [:]
    for name in base {
      if let module = ParameterName(name)?.module { parts[module, default: []].append(name) }
    }
    for saved in all where modules.contains(saved.name.module) && saved.replace.value.type.isFloat {
      let missing = (parts[saved.name.module] ?? []).sorted().first { !replaced.contains($0) }
      guard let missing, base.contains(saved.replace.target.name) else { continue }
      lose(
        .effect, saved.replace,
        "PEFT saves modules as a whole, and \(missing) is not replaced")
    }
  }
}

extension PEFTDraft {
  /// Writes the `replace_rows` operations.
  ///
  /// - Parameter wrapped: modules that the method wraps.
  mutating func writeRows(beside wrapped: Set<Name>) {
    var tokens: [JSONValue.Member] = []
    let counts = Dictionary(
      adapter.operations.compactMap { $0.target.map { ($0.name, 1) } }, uniquingKeysWith: +)
    for operation in adapter.operations {
      guard let change = operation.as(ReplaceRows.self) else { continue }
      guard let name = ParameterName(change.target.name), name.leaf == "weight",
        counts[change.target.name] == 1,
        !wrapped.contains(name.module)
      else {
        lose(.effect, operation, "PEFT trains rows of embeddings that nothing else changes")
        continue
      }
      tokens.append(.init(name.module, .array(change.rows.map { .count($0) })))
      add(Self.key(name.module, "token_adapter.trainable_tokens_delta"), change.values)
    }
    if !tokens.isEmpty { fields["trainable_token_indices"] = .object(tokens) }
  }
}

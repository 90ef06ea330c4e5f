internal import AdapterFormat
internal import Checkpoints
internal import Operations
internal import StrictJSON

/// Which parameter each module of a file is: `_` has no inverse, so the base's names decide, or, without one, the words
/// that are known.
struct KohyaTargets {
  private let base: PipelineBase?
  private var indexes: [PipelineComponent?: [String: Set<PipelineBase.Parameter>]] = [:]

  init(_ base: Checkpoint?) { self.base = base.map { PipelineBase($0) } }

  /// The weight of a module: its target, and the stored tensor, where the base is at hand.
  ///
  /// - Throws: `InteropError` where there is none, or several may be meant.
  mutating func weight(of key: KohyaKey) throws -> (target: Target, stored: StoredTensor?) {
    guard let base else { return (Target(try Self.weight(byWords: key)), nil) }
    let component = Self.component(of: key, in: base)
    if indexes[component] == nil { indexes[component] = base.index(component) }
    let found = (indexes[component]?[key.path] ?? []).sorted { $0.stored < $1.stored }
    guard let parameter = found.first else {
      throw InteropError(
        .unsupported, at: .tensor(Name("\(key.module).\(key.leaf)")), base.reasonForNone(key))
    }
    guard found.count == 1 else {
      throw InteropError(
        .unsupported, at: .tensor(Name("\(key.module).\(key.leaf)")),
        "may be \(found[0].stored) or \(found[1].stored) of the base")
    }
    var target = Target(parameter.target)
    target.bound = [parameter.stored]
    return (target, base.checkpoint.tensor(parameter.stored))
  }

  private static func component(of key: KohyaKey, in base: PipelineBase) -> PipelineComponent? {
    let all = key.prefix.components
    return all.count > 1 ? (base.hasUNet ? .unet : .transformer) : all.first
  }

  private static func weight(byWords key: KohyaKey) throws -> Name {
    guard let path = ModuleWords.path(of: key.path) else {
      throw InteropError(
        .undecided(.base), at: .tensor(Name("\(key.module).\(key.leaf)")),
        "the dots of its name are lost, and only the base's names show where they were")
    }
    let all = key.prefix.components
    let component =
      all.count > 1 ? (ModuleWords.isOfTransformer(path) ? .transformer : .unet) : all.first
    let weight = Name(path + ".weight")
    return component?.name(weight) ?? weight
  }
}

extension PipelineBase {
  /// Why no parameter is a module of a file.
  fileprivate func reasonForNone(_ key: KohyaKey) -> String {
    let parts = key.prefix.components
    if isOnePart, parts.first.map({ [.textEncoder, .textEncoder2, .textEncoder3].contains($0) }) == true,
      !checkpoint.names.contains(where: { $0.text.contains("self_attn") || $0.text.contains("SelfAttention") })
    {
      return "it is of a text encoder, and the base is another part: --drop '\(key.prefix.rawValue)_*' leaves it out"
    }
    return "the base has no module of this name"
  }
}

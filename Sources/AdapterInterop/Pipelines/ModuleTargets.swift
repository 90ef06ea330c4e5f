internal import AdapterFormat
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// Which weights of a base the modules of a file are: by their paths, with dots or with `_` for them; of the original
/// models also where the base has diffusers' names.
struct ModuleTargets {
  private let base: PipelineBase?
  private var indexes: [PipelineComponent?: Index] = [:]

  private struct Index {
    /// By the path with `_` for dots.
    let flat: [String: Set<PipelineBase.Parameter>]
    /// By the path.
    let dotted: [String: PipelineBase.Parameter]
    let original: OriginalNames
  }

  init(_ base: Checkpoint?) { self.base = base.map { PipelineBase($0) } }

  /// The component that a denoiser's modules are of: by the base's names, or by what the path suggests where there is no
  /// base.
  func denoiser(isTransformer: Bool) -> PipelineComponent {
    (base.map { !$0.hasUNet } ?? isTransformer) ? .transformer : .unet
  }

  /// The weights of a module whose path has `_` for dots; nil where it is not one that is known, and there is
  /// no base.
  ///
  /// - Throws: `InteropError` where the base has none, or several may be meant.
  mutating func places(
    flat path: String, _ component: PipelineComponent?, _ key: Name
  ) throws -> [ModulePlace]? {
    let known = ModulePaths.path(of: path)
    guard let base else {
      return known.map { [ModulePlace(target: Self.target($0, component), stored: nil)] }
    }
    let index = index(component, base)
    let found = (index.flat[path] ?? []).sorted { $0.stored < $1.stored }
    guard found.count <= 1 else {
      throw InteropError(
        .unsupported, at: .tensor(key),
        "may be \(found[0].stored) or \(found[1].stored) of the base")
    }
    if let only = found.first { return [Self.place(only, in: base)] }
    return try originals(known, component, index, base, key)
  }

  /// The weights of a module by its path; that itself where there is no base.
  ///
  /// - Throws: `InteropError` where the base has none.
  mutating func places(
    dotted path: String, _ component: PipelineComponent?, _ key: Name
  ) throws -> [ModulePlace] {
    guard let base else { return [ModulePlace(target: Self.target(path, component), stored: nil)] }
    let index = index(component, base)
    let spellings = [
      path, "text_model." + path,
      path.hasPrefix("text_model.") ? String(path.dropFirst("text_model.".count)) : path,
    ]
    if let found = spellings.lazy.compactMap({ index.dotted[$0] }).first {
      return [Self.place(found, in: base)]
    }
    return try originals(path, component, index, base, key)
  }

  private func originals(
    _ path: String?, _ component: PipelineComponent?, _ index: Index, _ base: PipelineBase,
    _ key: Name
  ) throws -> [ModulePlace] {
    let parts = path.map { index.original.parts(of: $0) } ?? []
    let places = parts.compactMap { part in
      index.dotted[part.module].map { found -> ModulePlace in
        var place = Self.place(found, in: base)
        place.rows = part.rows
        return place
      }
    }
    guard !places.isEmpty, places.count == parts.count else {
      throw InteropError(.unsupported, at: .tensor(key), base.reasonForNone(component))
    }
    return places
  }

  private static func target(_ path: String, _ component: PipelineComponent?) -> Target {
    let weight = Name(path + ".weight")
    return Target(component?.name(weight) ?? weight)
  }

  private static func place(
    _ parameter: PipelineBase.Parameter, in base: PipelineBase
  ) -> ModulePlace {
    var target = Target(parameter.target)
    target.bound = [parameter.stored]
    return ModulePlace(
      target: target, stored: base.checkpoint.tensor(parameter.stored)?.info.shape.dimensions)
  }

  private mutating func index(
    _ component: PipelineComponent?, _ base: PipelineBase
  ) -> Index {
    if let known = indexes[component] { return known }
    let dotted = base.modules(component)
    var flat: [String: Set<PipelineBase.Parameter>] = [:]
    for (path, parameter) in dotted {
      for spelling in Self.spellings(path) { flat[spelling, default: []].insert(parameter) }
    }
    let index = Index(
      flat: flat, dotted: dotted,
      original: OriginalNames(Set(dotted.keys)) { module in
        dotted[module].flatMap { base.checkpoint.tensor($0.stored)?.info.shape.dimensions.first }
      })
    indexes[component] = index
    return index
  }

  /// CLIP's text encoders have lost `text_model.` in transformers 5, and files have it or not.
  private static func spellings(_ path: String) -> [String] {
    let flat = path.replacing(".", with: "_")
    return path.hasPrefix("text_model.")
      ? [flat, String(flat.dropFirst("text_model_".count))] : [flat, "text_model_" + flat]
  }
}

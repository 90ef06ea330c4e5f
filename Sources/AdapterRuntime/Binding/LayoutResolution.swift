internal import Operations
internal import Checkpoints
internal import Storage
internal import StrictJSON

/// Decides how a base stores the weights that an adapter changes (Spec/adp-v1.md, section 8):
/// by shape, by siblings, by model type, by the user; never by guessing.
struct LayoutResolution {
  private let userLayout: Layout?
  /// What the siblings in each parent module show; the empty name stands for the whole base.
  private let evidence: [Name: Set<Layout>]

  /// The model's family, which may store linear layers transposed (`Conv1D`).
  private let family: ModelFamily?

  init(_ checkpoint: Checkpoint, userLayout: Layout?) {
    self.userLayout = userLayout
    evidence = Self.evidence(in: checkpoint)
    family = checkpoint.family
  }

  /// A decision; nil where nothing decides.
  func layout(
    of target: Target, _ extent: Extent, _ shape: Shape, _ stored: Name
  ) throws -> (Layout, LayoutSource)? {
    let fitting = [Layout.outIn, .inOut].filter { extent.fits(shape.dimensions, $0) }
    guard let only = fitting.first else {
      throw AdapterError.shape(
        target.name, expected: extent.description(target.layout ?? .outIn), found: shape)
    }
    if fitting.count == 1 {
      if [.base, .kind].contains(target.layoutSource), target.layout != only {
        throw AdapterError.layoutConflict(
          target.name,
          "recorded as \(target.layout?.rawValue ?? ""), stored as \(only.rawValue)")
      }
      return (only, .base)
    }
    return try squareLayout(of: target, extent, stored: stored)
  }

  /// A square weight: what the base shows beats what a name or a flag suggested; the user is asked
  /// last, and must not contradict either. An embedding is a lookup table whatever lies beside it.
  private func squareLayout(
    of target: Target, _ extent: Extent, stored: Name
  ) throws -> (Layout, LayoutSource)? {
    let recorded: (Layout, LayoutSource)? =
      target.layout.flatMap { layout in
        layout == .unresolved ? nil : (layout, target.layoutSource ?? .flag)
      }
    if let recorded, recorded.1 == .kind { return recorded }
    // Siblings and model types speak of matrices, not of stacks of them.
    var shown: (Layout, LayoutSource)?
    if !extent.isStack { shown = bySiblings(of: stored) ?? byModelType(stored) }
    if let shown, let recorded, shown.0 != recorded.0, ![.name, .flag].contains(recorded.1) {
      throw AdapterError.layoutConflict(
        target.name, "recorded as \(recorded.0.rawValue), the base shows \(shown.0.rawValue)")
    }
    guard let decision = shown ?? recorded else { return userLayout.map { ($0, .user) } }
    guard userLayout == nil || userLayout == decision.0 else {
      throw AdapterError.layoutConflict(
        target.name, "\(decision.0.rawValue) by \(decision.1.rawValue), whatever the user says"
      )
    }
    return decision
  }

  private func bySiblings(of name: Name) -> (Layout, LayoutSource)? {
    for place in [Self.parent(of: name), ""] {
      if let found = evidence[place], found.count == 1, let layout = found.first {
        return (layout, .siblings)
      }
    }
    return nil
  }

  private func byModelType(_ name: Name) -> (Layout, LayoutSource)? {
    // A type that has no such layers says nothing: it may be a model of somebody's own.
    family?.storesTransposed(name) == true ? (.inOut, .modelType) : nil
  }

  /// Every non-square matrix `X.weight` beside a vector `X.bias`: the bias is as long as the output,
  /// so the dimension of its length is the output's.
  private static func evidence(in checkpoint: Checkpoint) -> [Name: Set<Layout>] {
    var evidence: [Name: Set<Layout>] = [:]
    for name in checkpoint.names where name.hasSuffix(".weight") {
      let bias = Name(name.dropLast("weight".utf8.count).text + "bias")
      guard let weight = checkpoint.tensor(name)?.info.shape.dimensions, weight.count == 2,
        weight[0] != weight[1],
        let length = checkpoint.tensor(bias)?.info.shape.dimensions, length.count == 1,
        let output = weight.firstIndex(of: length[0])
      else { continue }
      let layout: Layout = output == 0 ? .outIn : .inOut
      evidence["", default: []].insert(layout)
      evidence[parent(of: name), default: []].insert(layout)
    }
    return evidence
  }

  /// The module that holds the module of a parameter: `h.0.attn` for `h.0.attn.c_proj.weight`.
  private static func parent(of name: Name) -> Name {
    Name(name.text.split(separator: ".").dropLast(2).joined(separator: "."))
  }
}

internal import Operations
internal import Checkpoints
internal import Storage
internal import StrictJSON

/// Decides how a base stores the weights that an adapter changes ([BND-3]): by shape, by siblings, by model type, by the
/// user; never by guessing.
struct LayoutResolution {
  private let userLayout: Layout?
  /// The layouts that the siblings in each parent module show; the empty name stands for the base itself, for modules
  /// at the top.
  private let evidence: [Name: Set<Layout>]
  /// The layout that all siblings show, wherever they are; nil if there are none, or if they disagree.
  private let shownAnywhere: Layout?

  /// The model's family, which may store linear layers transposed (`Conv1D`).
  private let family: ModelFamily?

  init(_ checkpoint: Checkpoint, userLayout: Layout?) {
    self.userLayout = userLayout
    evidence = Self.evidence(in: checkpoint)
    let found = Set(evidence.values.joined())
    shownAnywhere = found.count == 1 ? found.first : nil
    family = checkpoint.family
  }

  /// A decision; nil where nothing decides. A sure layout that the base contradicts is that of another base.
  func layout(
    of operation: Operation, _ shape: Shape, _ stored: Name
  ) throws -> (Layout, LayoutSource)? {
    guard let target = operation.target, let extent = operation.kind?.extent else { return nil }
    let fitting = [Layout.outIn, .inOut].filter { operation.fits(shape.dimensions, $0) }
    guard let only = fitting.first else {
      throw AdapterError.shape(
        target.name, expected: operation.expectation(of: shape.dimensions, target.layout ?? .outIn),
        found: shape)
    }
    let recorded = target.layout == .unresolved ? nil : target.layout
    let isSure = recorded != nil && target.layoutSource == .sure
    if fitting.count == 1 {
      try refuse(target, where: isSure && recorded != only, "the base stores \(only.rawValue)")
      return (only, .sure)
    }
    // What lies beside it speaks of matrices, not of stacks of them.
    let neighbours = extent.isStack || evidence.isEmpty ? nil : shown(in: Self.parent(of: stored))
    if let recorded, isSure {
      try refuse(
        target, where: neighbours != nil && neighbours != recorded,
        "the base shows \(neighbours?.rawValue ?? "")")
      try refuse(
        target, where: userLayout != nil && userLayout != recorded, "the user says another")
      return (recorded, .sure)
    }
    if !extent.isStack, let found = neighbours ?? shownAnywhere ?? byModelType(stored) {
      guard userLayout == nil || userLayout == found else {
        throw AdapterError.layoutConflict(
          target.name, "the base shows \(found.rawValue), whatever the user says")
      }
      return (found, .sure)
    }
    if let recorded {
      try refuse(
        target, where: userLayout != nil && userLayout != recorded, "the user says another")
      return (recorded, .guessed)
    }
    return userLayout.map { ($0, .sure) }
  }

  private func refuse(
    _ target: Target, where isContradicted: Bool, _ evidence: String
  ) throws(AdapterError) {
    guard isContradicted else { return }
    throw AdapterError.layoutConflict(
      target.name, "recorded as \(target.layout?.rawValue ?? ""), \(evidence)")
  }

  /// Returns the layout that the siblings in a module show; nil if there are none, or if they disagree.
  private func shown(in module: Name) -> Layout? {
    guard let found = evidence[module], found.count == 1 else { return nil }
    return found.first
  }

  private func byModelType(_ name: Name) -> Layout? {
    // A type that has no such layers says nothing: it may be a model of somebody's own.
    family?.storesTransposed(name) == true ? .inOut : nil
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
      evidence[parent(of: name), default: []].insert(layout)
    }
    return evidence
  }

  /// The module that holds the module of a parameter: `h.0.attn` for `h.0.attn.c_proj.weight`.
  private static func parent(of name: Name) -> Name {
    Name(name.text.split(separator: ".").dropLast(2).joined(separator: "."))
  }
}

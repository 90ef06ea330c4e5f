internal import Checkpoints
internal import Operations
internal import StrictJSON

/// The storage layout of modules, as far as a file states it.
struct PEFTLayouts {
  private let believesFlag: Bool

  /// The flag is one for the whole adapter, and the last layer that PEFT wrapped has set it: it is
  /// believed only where all layers have such a name.
  init(_ config: PEFTConfig, _ modules: [Name]) {
    let isSet = (try? config.flag("fan_in_fan_out")) ?? false
    believesFlag = isSet && modules.allSatisfy(Self.isTransposable)
  }

  /// Returns true if some models store a layer of this name transposed, as GPT-2 and its kin do (`Conv1D`). Other
  /// models give the same names to ordinary linear layers.
  static func isTransposable(_ module: Name) -> Bool {
    AnyFamily.transposedLeaves.contains(module.lastPart)
  }

  /// Returns the layout that is known without a base, and its source.
  func layout(of module: Name, _ isConvolution: Bool = false) -> (Layout, LayoutSource?) {
    if isConvolution { return (.outIn, .sure) }
    guard Self.isTransposable(module) else { return (.outIn, .guessed) }
    return believesFlag ? (.inOut, .guessed) : (.unresolved, nil)
  }
}

internal import Operations
internal import StrictJSON

/// What a file says of how its modules are stored.
struct PEFTLayouts {
  private let believesFlag: Bool

  /// Names of layers that some models store transposed: transformers' `Conv1D`, in GPT-2 and its kin.
  /// Other models give the same names to ordinary linear layers.
  private static let leaves: Set<Name> = ["c_attn", "q_attn", "c_proj", "c_fc"]

  /// The flag is one for the whole adapter, and the last layer that PEFT wrapped has set it: it is
  /// believed only where all layers have such a name.
  init(_ config: PEFTConfig, _ modules: [Name]) {
    let isSet = (try? config.flag("fan_in_fan_out")) ?? false
    believesFlag = isSet && modules.allSatisfy(Self.isTransposable)
  }

  static func isTransposable(_ module: Name) -> Bool {
    leaves.contains(Name(module.text.split(separator: ".").last.map(String.init) ?? ""))
  }

  /// What is known without a base.
  func layout(of module: Name, _ isConvolution: Bool = false) -> (Layout, LayoutSource?) {
    if isConvolution { return (.outIn, .kind) }
    guard Self.isTransposable(module) else { return (.outIn, .name) }
    return believesFlag ? (.inOut, .flag) : (.unresolved, nil)
  }
}

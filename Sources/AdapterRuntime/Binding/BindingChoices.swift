public import Checkpoints
public import Operations
internal import StrictJSON

/// The user's decisions where a base leaves a question open.
public struct BindingChoices: Sendable, Hashable {
  /// How square weights are stored that nothing else decides.
  public var layout: Layout?
  /// For targets that are not found, or not where they should be, the stored tensor that is meant.
  public var names: NameMap
  /// The treatment of a change of a bias that the base does not have.
  public var missingBias: MissingBias
  /// The treatment of different changes of parameters that share a tensor.
  public var ties: Ties

  /// A change of a bias that the base does not have.
  public enum MissingBias: Sendable, Hashable {
    /// It ends the work with an error.
    case refuse
    /// The bias is made, from zeros.
    case create
  }

  /// Different changes of parameters that share a tensor.
  public enum Ties: Sendable, Hashable {
    /// They end the work with an error.
    case refuse
    /// Each parameter gets a tensor of its own.
    case untie
  }

  /// Leaves everything to the base.
  public init(
    layout: Layout? = nil, names: NameMap = [:], missingBias: MissingBias = .refuse,
    ties: Ties = .refuse
  ) {
    self.layout = layout
    self.names = names
    self.missingBias = missingBias
    self.ties = ties
  }

  /// Refuses a name for a target that none of some adapters has.
  func checkNames(_ adapters: [Adapter]) throws {
    guard !names.isEmpty else { return }
    let targets = Set(adapters.flatMap { $0.operations.compactMap(\.target?.name) })
    if let name = names.unused(among: targets) {
      throw AdapterError.unusedName(name, ofSeveral: adapters.count > 1)
    }
  }
}

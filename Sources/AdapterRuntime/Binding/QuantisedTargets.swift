internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// Finds the targets of an adapter that a base stores quantised: they are refused for what they are, before
/// anything is said of the missing names and odd shapes that come with it.
struct QuantisedTargets {
  private let parameters: [ParameterBinding.Parameter]
  private let checkpoint: Checkpoint

  init(_ parameters: [ParameterBinding.Parameter], in checkpoint: Checkpoint) {
    self.parameters = parameters
    self.checkpoint = checkpoint
  }

  /// Refuses targets under the names that they are known by: their own, one that was recorded, or one that the
  /// user gives.
  func refuseNamed(_ choices: BindingChoices) throws {
    try refuse(
      parameters.flatMap { parameter -> [Name] in
        if let given = choices.names[parameter.name] { return [given] }
        return [parameter.name, parameter.hint].compactMap(\.self)
      })
  }

  /// Refuses targets where they were found.
  func refuseBound(_ binding: ParameterBinding) throws {
    try refuse(
      parameters.flatMap { parameter -> [Name] in
        switch binding[parameter.name] {
        case .stored(let tensor, _), .region(let tensor, _): [tensor.info.name]
        case .parts(let parts, _): parts.map(\.tensor.info.name)
        case .undecidedParts, .absent: []
        }
      })
  }

  /// Returns the error to report instead of one for names that cannot be found, if quantisation is the reason: the base
  /// has them quantised under another prefix or as single experts, or has all weights in a scheme that is not read.
  /// Otherwise returns the error itself.
  func reason(of error: AdapterError) -> AdapterError {
    if [.unbound, .shape, .type].contains(error.kind), let scheme = checkpoint.unreadScheme {
      return .unreadScheme(scheme, error.places)
    }
    guard error.kind == .unbound else { return error }
    let absent = parameters.map(\.name).filter { checkpoint.tensor($0) == nil }
    let (endings, stacks) = (
      Set(absent.map(Self.ending)), Set(absent.compactMap(Self.stackOfExperts(holding:)))
    )
    let found = checkpoint.quantisedParameters.keys.filter { name in
      endings.contains(Self.ending(name))
        || Self.stackOfExperts(holding: name).map(stacks.contains) ?? false
    }
    return refusal(found) ?? error
  }

  private func refuse(_ names: [Name]) throws {
    if let refusal = refusal(names) { throw refusal }
  }

  private func refusal(_ names: [Name]) -> AdapterError? {
    let found = Set(names.filter { checkpoint.quantisation(of: $0) != nil }).sorted()
    guard let scheme = found.first.flatMap(checkpoint.quantisation) else { return nil }
    return .otherBase(.quantised(scheme, found))
  }

  /// A name from what is before its first layer number, or its last two parts: what stays of it when a prefix is
  /// rewritten.
  private static func ending(_ name: Name) -> Name {
    let parts = name.text.split(separator: ".", omittingEmptySubsequences: false)
    let number = parts.firstIndex { part in
      !part.isEmpty && part.utf8.allSatisfy { $0 &- UInt8(ascii: "0") < 10 }
    }
    let start = number.map { max(0, $0 - 1) } ?? max(0, parts.count - 2)
    return Name(parts[start...].joined(separator: "."))
  }

  /// The module of all experts that a parameter is of one of; nil where it is of none.
  private static func stackOfExperts(holding name: Name) -> Name? {
    let parts = name.text.split(separator: ".", omittingEmptySubsequences: false)
    return parts.lastIndex(of: "experts").map { Name(parts[...$0].joined(separator: ".")) }
  }
}

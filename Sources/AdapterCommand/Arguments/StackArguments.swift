internal import AdapterFormat
internal import AdapterInterop
internal import AdapterRuntime
internal import Checkpoints
internal import Operations
internal import Storage

extension WeightedReference {
  /// The adapters of a stack as the command line names them; standard input is one of them at most.
  static func all(_ arguments: [String]) throws(Failure) -> [WeightedReference] {
    var references: [WeightedReference] = []
    for argument in arguments { references.append(try WeightedReference(argument)) }
    guard references.count(where: \.adapter.isStandardInput) <= 1 else {
      throw Failure("standard input can be one adapter only", hint: "name the files")
    }
    return references
  }
}

extension [NamePattern] {
  /// Refuses a pattern that no adapter has had a tensor for.
  func check(_ adapters: [Adapter]) throws(Failure) {
    for pattern in self
    where !adapters.contains(where: { $0.leftOut.contains(where: pattern.matches) }) {
      throw Failure("--drop \(pattern): no tensor of a foreign adapter has that name")
    }
  }
}

extension [WeightedReference] {
  /// Opens all of them for a base, and reports what is worth a word before the work.
  func open(for base: ImportBase) throws(Failure) -> [WeightedAdapter] {
    var stack: [WeightedAdapter] = []
    for reference in self {
      let adapter = try reference.adapter.open(for: base)
      try reportWarnings(adapter, reference)
      stack.append(
        WeightedAdapter(adapter, weight: reference.weight, label: reference.label))
    }
    try base.dropped.check(stack.map(\.adapter))
    return stack
  }

  /// An adapter that changes nothing, or not what one thinks, is worth a word.
  private func reportWarnings(
    _ adapter: Adapter, _ reference: WeightedReference
  ) throws(Failure) {
    do throws(FormatError) {
      for warning in try Warning.all(of: adapter, doubts: Formats.doubts(about: adapter)) {
        if case .unresolvedLayout = warning { continue }
        let prefix = count > 1 ? "\(reference.label): " : ""
        Terminal.report("warning", prefix + warning.sentence)
      }
    } catch {
      throw Failure(error, in: reference.adapter.path)
    }
  }
}

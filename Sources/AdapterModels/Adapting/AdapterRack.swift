public import StrictJSON
internal import Storage

/// The adapters that are active on a model now. They are attached, detached and given other weights while
/// sequences run: a sequence keeps the stack with which it began, and never sees half a change.
public final class AdapterRack: Sendable {
  /// The model.
  public let model: LanguageModel
  private let current: Guarded<State>

  private struct State {
    var stack: AdapterStack
    var names: [Name] = []
    /// How often it has changed.
    var generation = 0
  }

  /// A rack without adapters.
  public init(_ model: LanguageModel) {
    self.model = model
    current = Guarded(State(stack: model.emptyStack))
  }

  /// The adapters as they are at this moment.
  public var stack: AdapterStack { current.withLock(\.stack) }

  /// The names that adapters are attached by, bottom to top.
  public var names: [Name] { current.withLock(\.names) }

  /// Puts an adapter on top, or, if there is one by this name, in its place.
  ///
  /// - Parameters:
  ///   - adapter: prepared for this model.
  ///   - name: what it is known by here; nil for its own name, which is `default` for many of PEFT.
  ///   - weight: what its changes are multiplied with.
  /// - Throws: `AdapterError` where it does not go with the others; then nothing has changed.
  public func attach(
    _ adapter: PreparedAdapter, as name: Name? = nil, weight: Double = 1
  ) throws {
    let name = name ?? adapter.name
    try change { names, entries in
      let entry = AdapterStack.Entry(adapter, weight: weight)
      if let place = names.firstIndex(of: name) {
        entries[place] = entry
      } else {
        names.append(name)
        entries.append(entry)
      }
    }
  }

  /// Takes an adapter away; nothing happens if there is none by this name.
  ///
  /// - Throws: `AdapterError` where the others do not go together without it.
  public func detach(_ name: Name) throws {
    try change { names, entries in
      guard let place = names.firstIndex(of: name) else { return }
      names.remove(at: place)
      entries.remove(at: place)
    }
  }

  /// Gives an adapter another weight; nothing happens if there is none by this name.
  ///
  /// - Throws: `AdapterError` where it cannot have this weight.
  public func reweight(_ name: Name, to weight: Double) throws {
    try change { names, entries in
      guard let place = names.firstIndex(of: name) else { return }
      entries[place] = AdapterStack.Entry(entries[place].adapter, weight: weight)
    }
  }

  /// The next stack is made while others still read the last one, and again if somebody was faster.
  private func change(
    _ body: (inout [Name], inout [AdapterStack.Entry]) -> Void
  ) throws {
    while true {
      let seen = current.withLock(\.self)
      var (names, entries) = (seen.names, seen.stack.entries)
      body(&names, &entries)
      let next = State(
        stack: try AdapterStack(entries, for: model), names: names,
        generation: seen.generation + 1)
      let isFirst = current.withLock { state in
        guard state.generation == seen.generation else { return false }
        state = next
        return true
      }
      if isFirst { return }
    }
  }
}

public import StrictJSON
internal import Synchronization

/// The adapters that are active on a model now. They are attached, detached and given other weights while
/// sequences run: a sequence keeps the stack with which it began, and never sees half a change.
public final class AdapterRack: Sendable {
  /// The model.
  public let model: LanguageModel
  private let current: Mutex<AdapterStack>

  /// A rack without adapters.
  public init(_ model: LanguageModel) {
    self.model = model
    current = Mutex(model.emptyStack)
  }

  /// The adapters as they are at this moment.
  public var stack: AdapterStack { current.withLock(\.self) }

  /// Puts an adapter on top, or, if one of its name is there, in its place.
  ///
  /// - Throws: `DecoderError.conflict` where it does not go with the others; then nothing has changed.
  public func attach(_ adapter: PreparedAdapter, weight: Double = 1) throws(DecoderError) {
    try change { entries in
      let entry = AdapterStack.Entry(adapter, weight: weight)
      if let place = entries.firstIndex(where: { $0.adapter.name == adapter.name }) {
        entries[place] = entry
      } else {
        entries.append(entry)
      }
    }
  }

  /// Takes an adapter away; nothing happens if there is none of this name.
  ///
  /// - Throws: `DecoderError.conflict` where the others do not go together without it.
  public func detach(_ name: Name) throws(DecoderError) {
    try change { $0.removeAll { $0.adapter.name == name } }
  }

  /// Gives an adapter another weight; nothing happens if there is none of this name.
  ///
  /// - Throws: `DecoderError.conflict` where it cannot have this weight.
  public func reweight(_ name: Name, to weight: Double) throws(DecoderError) {
    try change { entries in
      entries = entries.map { entry in
        entry.adapter.name == name ? AdapterStack.Entry(entry.adapter, weight: weight) : entry
      }
    }
  }

  private func change(_ body: (inout [AdapterStack.Entry]) -> Void) throws(DecoderError) {
    let result = current.withLock { stack in
      Result { () throws(DecoderError) in
        var entries = stack.entries
        body(&entries)
        stack = try AdapterStack(entries, for: model)
      }
    }
    try result.get()
  }
}

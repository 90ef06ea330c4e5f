internal import AdapterFormat
internal import AdapterRuntime
internal import Operations
internal import Storage
internal import StrictJSON

/// The adapters that a sequence runs with, left to right, each with a weight. It is a value: whoever has one
/// sees all of it, whatever is attached or detached elsewhere.
public struct AdapterStack: Sendable {
  /// The adapters and their weights.
  public let entries: [Entry]
  let model: ModelIdentity
  /// For each layer of the model what happens to its outputs; empty where nothing does.
  let programs: [LayerProgram?]
  /// For each vector of the model the values in its place.
  let vectors: [[Float]?]

  /// One adapter of a stack.
  public struct Entry: Sendable {
    /// The adapter.
    public let adapter: PreparedAdapter
    /// The factor for its changes: 1 for the adapter as trained, 0 for nothing.
    public let weight: Double

    /// Pairs an adapter with its weight.
    public init(_ adapter: PreparedAdapter, weight: Double = 1) {
      self.adapter = adapter
      self.weight = weight
    }
  }

  /// Puts adapters on each other. Costs what the scalings and vectors of the adapters cost; factors are not
  /// copied.
  ///
  /// - Parameters:
  ///   - entries: left to right.
  ///   - model: the model that the adapters were prepared for.
  /// - Throws: `AdapterError` where they do not go together.
  public init(_ entries: [Entry], for model: LanguageModel) throws {
    var programs = [LayerProgram?](repeating: nil, count: model.layers.count)
    var vectors = [[Float]?](repeating: nil, count: model.vectors.count)
    for entry in entries {
      guard entry.adapter.model == model.identity else {
        throw AdapterError.cannotJoin("\(entry.adapter.name) was prepared for another model")
      }
      guard Float(entry.weight).isFinite else {
        throw AdapterError.cannotJoin("\(entry.adapter.name): a weight is a finite number")
      }
    }
    for entry in entries where entry.weight != 0 {
      for (index, actions) in entry.adapter.layers {
        var program = programs[index] ?? LayerProgram()
        for action in actions { program.append(action, factor: Float(entry.weight)) }
        programs[index] = program
      }
      for vector in model.vectors.values {
        guard let change = entry.adapter.vectors[vector.index] else { continue }
        guard !change.isReplacement || (vectors[vector.index] == nil && entry.weight == 1) else {
          throw AdapterError.cannotJoin(
            "\(entry.adapter.name) replaces \(vector.name): no adapter before it may change that, and "
              + "its weight can only be 1")
        }
        do {
          vectors[vector.index] = try change.program.apply(
            to: vectors[vector.index] ?? vector.values, factor: Float(entry.weight))
        } catch {
          throw AdapterError(of: entry.adapter.name.text, error)
        }
      }
    }
    self.entries = entries
    self.model = model.identity
    self.programs = programs
    self.vectors = vectors
    try checkVirtualTokens()
  }

  /// A stack without adapters.
  init(emptyFor model: ModelIdentity, layerCount: Int, vectorCount: Int) {
    self.model = model
    entries = []
    programs = Array(repeating: nil, count: layerCount)
    vectors = Array(repeating: nil, count: vectorCount)
  }

  /// The soft prompt, if one of the adapters has one.
  var prompt: PreparedAdapter.SoftPrompt? { active.lazy.compactMap(\.adapter.prompt).first }

  /// The prefix, if one of the adapters has one.
  var prefix: PreparedAdapter.Prefix? { active.lazy.compactMap(\.adapter.prefix).first }

  private var active: [Entry] { entries.filter { $0.weight != 0 } }

  private func checkVirtualTokens() throws {
    let all = active.filter { $0.adapter.prompt != nil || $0.adapter.prefix != nil }
    if all.count > 1 {
      throw AdapterError.cannotJoin(
        "\(all[0].adapter.name) and \(all[1].adapter.name) both put tokens before the text: there is "
          + "no order in which they were trained")
    }
    if let entry = all.first, entry.weight != 1 {
      throw AdapterError.cannotJoin(
        "\(entry.adapter.name) puts tokens before the text: its weight can only be 1")
    }
  }
}

extension TensorProgram {
  /// v + factor · (f(v) − v); for 1, f(v).
  fileprivate func apply(to values: [Float], factor: Float) throws -> [Float] {
    var changed = values
    try unsafe changed.withUnsafeMutableBytes { bytes in
      try unsafe apply(to: bytes, rows: 0..<grid.rows, scratch: TileScratch())
    }
    guard factor != 1 else { return changed }
    return zip(values, changed).map { $0 + factor * ($1 - $0) }
  }
}

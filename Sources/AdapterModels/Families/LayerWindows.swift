internal import Operations
internal import StrictJSON

/// Which layers of a model see a window of the positions before them, and not all.
struct LayerWindows: Sendable {
  /// How many positions a window has; nil where there are none.
  let size: Int?
  private let pattern: Pattern

  /// Which layers have one.
  enum Pattern: Sendable {
    /// All, if there are windows.
    case all
    /// All from one on, if there are windows.
    case from(Int)
    /// All but every so many.
    case allButEvery(Int)
  }

  private let listed: [Bool]?

  /// No windows.
  static let none = LayerWindows(size: nil, pattern: .all, listed: nil)

  private init(size: Int?, pattern: Pattern, listed: [Bool]?) {
    (self.size, self.pattern, self.listed) = (size, pattern, listed)
  }

  /// - Parameters:
  ///   - config: its `layer_types` say which layers have a window, if they are there.
  ///   - size: how many positions a window has.
  ///   - pattern: which layers have one where nothing else is said.
  ///   - isFixed: whether the family has no other pattern.
  /// - Throws: `AdapterError` for a value that is unknown or has another type.
  init(_ config: DecoderConfig, size: Int?, _ pattern: Pattern, isFixed: Bool = false) throws {
    let types = try config.texts("layer_types")
    try config.refuse(
      "layer_types",
      unless: types?.allSatisfy { ["sliding_attention", "full_attention"].contains($0) } ?? true)
    let listed = types?.map { $0 == "sliding_attention" }
    self.init(size: size, pattern: pattern, listed: isFixed ? nil : listed)
    guard let listed else { return }
    let count = try config.neededCount("num_hidden_layers")
    try config.refuse(
      "layer_types",
      unless: listed.count == count
        && (!isFixed || listed.indices.allSatisfy { listed[$0] == isWindowed($0) }))
    try config.refuse("sliding_window", unless: size != nil || !listed.contains(true))
  }

  /// The window of a layer; nil for one that sees all.
  func window(of layer: Int) -> Int? { isWindowed(layer) ? size : nil }

  /// Returns true if a layer is of the kind that has a window.
  func isWindowed(_ layer: Int) -> Bool {
    if let listed { return layer < listed.count && listed[layer] }
    return switch pattern {
    case .all: size != nil
    case .from(let first): size != nil && layer >= first
    case .allButEvery(let count): !(layer + 1).isMultiple(of: count)
    }
  }
}

extension DecoderConfig {
  /// `sliding_window`: a configuration that does not have it means `missing`, one with a null no window.
  func window(missing: Int) throws -> Int? {
    try has("sliding_window") ? count("sliding_window") : missing
  }
}

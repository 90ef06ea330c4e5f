public import StrictJSON

/// The user's map from targets to the tensors of a base.
///
/// | target | stored | means |
/// |---|---|---|
/// | a target | a tensor | this one |
/// | a prefix, up to a dot, or empty | another | all targets that begin so, with the other beginning |
/// | a pattern with `*` | a name with as many | all targets of the pattern; each `*` stands for what it stood for |
///
/// A target's own name is stronger than a pattern or prefix, and an earlier one of these than a later.
public struct NameMap: Sendable, Hashable, ExpressibleByDictionaryLiteral {
  private var whole: [Name: Name] = [:]
  private var rewrites: [Rewrite] = []

  private struct Rewrite: Sendable, Hashable {
    let target: NamePattern
    let stored: NamePattern

    func callAsFunction(_ name: Name) -> Name? {
      guard target.isPattern else {
        guard let rest = name.rest(after: target.text) else { return nil }
        return Name(stored.text + rest)
      }
      guard let captures = target.captures(of: name) else { return nil }
      let parts = stored.text.split(separator: "*", omittingEmptySubsequences: false)
      guard parts.count == captures.count + 1 else { return nil }
      return Name(zip(parts, captures + [""]).map { $0 + $1 }.joined())
    }
  }

  /// Says nothing.
  public init() {}

  /// Says of each target the tensor.
  public init(dictionaryLiteral elements: (Name, Name)...) {
    for (target, stored) in elements { add(target, stored) }
  }

  /// Adds what one pair says.
  ///
  /// - Parameters:
  ///   - target: a target, a prefix of some, or a pattern.
  ///   - stored: the tensor, or what takes the prefix's or the pattern's place.
  public mutating func add(_ target: Name, _ stored: Name) {
    whole[target] = stored
    rewrites.append(
      Rewrite(target: NamePattern(target.text), stored: NamePattern(stored.text)))
  }

  /// True if it says nothing.
  public var isEmpty: Bool { rewrites.isEmpty }

  /// The tensor that a target is; nil where nothing is said of it.
  public subscript(target: Name) -> Name? {
    if let stored = whole[target] { return stored }
    for rewrite in rewrites { if let stored = rewrite(target) { return stored } }
    return nil
  }

  /// Returns the stored names that it gives for some targets.
  package func given(for targets: some Sequence<Name>) -> [Name: Name] {
    guard !isEmpty else { return [:] }
    return Dictionary(
      targets.compactMap { target in self[target].map { (target, $0) } }, uniquingKeysWith: { $1 })
  }

  /// The first of its targets, prefixes and patterns that is about none of some targets.
  package func unused(among targets: Set<Name>) -> Name? {
    rewrites.first { rewrite in
      !targets.contains(Name(rewrite.target.text)) && !targets.contains { rewrite($0) != nil }
    }.map { Name($0.target.text) }
  }
}

extension Name {
  /// Returns the rest after a beginning that ends where a component does; nil if the name does not begin so.
  fileprivate func rest(after beginning: String) -> String? {
    guard hasPrefix(Name(beginning)) else { return nil }
    let rest = dropFirst(beginning.utf8.count).text
    let isWhole = beginning.isEmpty || beginning.hasSuffix(".") || rest.hasPrefix(".")
    return isWhole ? rest : nil
  }
}

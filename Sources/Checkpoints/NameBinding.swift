public import StrictJSON

/// Which stored tensor each target of an adapter is.
///
/// One ladder, and the first rung that binds *all* targets to tensors of fitting shapes wins; rungs
/// are not mixed, so that no target is guessed on its own.
public struct NameBinding: Sendable, Hashable {
  /// The rung that bound them.
  public let rule: Rule
  /// Target → stored name.
  public let stored: [Name: Name]
  /// The rules of `Rule.table`.
  private let rules: NameRules?

  /// The rungs, in order.
  public enum Rule: Sendable, Hashable, CustomStringConvertible {
    /// The names are those of the base.
    case exact
    /// Those of the base, or else the names that were recorded when the adapter was converted.
    case bound
    /// Exact, but for parameters that are stored under the name they are tied to.
    case tie
    /// One prefix of all targets replaced by another.
    case prefix(from: Name, to: Name)
    /// The names that transformers gives a family of models in files.
    case table(family: String)

    /// As receipts show it.
    public var description: String {
      switch self {
      case .exact: "exact"
      case .bound: "bound"
      case .tie: "tie"
      case .prefix(let from, let to): "prefix(\(from) -> \(to))"
      case .table(let family): "table(\(family))"
      }
    }
  }

  /// Why targets cannot be bound.
  public enum Failure: Error, Sendable, Hashable {
    /// Targets that no stored tensor fits, each with the stored names nearest to it.
    case unbound([Name: [Name]])
    /// Several prefix rewrites bind everything.
    case ambiguous([Rule])
    /// Two targets are one stored tensor.
    case collision(Name, Name, stored: Name)
    /// The user gives a target a stored tensor that does not fit it, or is not there.
    case misfit(Name, given: Name)
  }

  /// Binds targets.
  ///
  /// - Parameters:
  ///   - targets: the parameters as trained.
  ///   - hints: for each target the stored name that was recorded for it.
  ///   - given: for some targets the stored name that the user gives; it beats every rung.
  ///   - checkpoint: the base.
  ///   - fits: whether a target can be the stored tensor of this name, which may not exist.
  /// - Throws: `Failure`.
  public init(
    _ targets: [Name], hints: [Name: Name], given: [Name: Name] = [:],
    in checkpoint: Checkpoint, fits: (_ target: Name, _ stored: Name) -> Bool
  ) throws(Failure) {
    try self.init(
      targets, hints: hints, given: given, in: checkpoint, TiedParameters(checkpoint), fits: fits)
  }

  /// Binds targets, as above, with the base's ties looked up before.
  package init(
    _ targets: [Name], hints: [Name: Name], given: [Name: Name], in checkpoint: Checkpoint,
    _ ties: TiedParameters, fits: (_ target: Name, _ stored: Name) -> Bool
  ) throws(Failure) {
    for (target, stored) in given.sorted(by: { $0.key < $1.key }) where !fits(target, stored) {
      throw .misfit(target, given: stored)
    }
    func map(_ rename: (Name) -> Name?) -> [Name: Name]? {
      var map: [Name: Name] = [:]
      for target in targets {
        guard let stored = given[target] ?? rename(target), fits(target, stored) else { return nil }
        map[target] = stored
      }
      return map
    }
    if let stored = map({ $0 }) {
      self.init(.exact, stored)
    } else if let stored = map({ fits($0, $0) ? $0 : Self.hint(for: $0, hints, ties) }) {
      self.init(.bound, stored)
    } else if let stored = map({ Self.stored($0, in: checkpoint, ties) }) {
      self.init(.tie, stored)
    } else {
      self = try Self.byPrefix(targets.filter { given[$0] == nil }, given, checkpoint, ties, map)
    }
    var owners: [Name: Name] = [:]
    for target in targets {
      guard let name = stored[target], let other = owners.updateValue(target, forKey: name),
        !isTied(target, name), !isTied(other, name)
      else { continue }
      throw .collision(other, target, stored: name)
    }
  }

  /// A recorded name, unless it is that of another parameter that the target is tied to: then the tie
  /// must be seen.
  private static func hint(
    for target: Name, _ hints: [Name: Name], _ ties: TiedParameters
  ) -> Name? {
    ties.stored(for: target) == hints[target] ? nil : hints[target]
  }

  /// Returns true if a target is stored under the name of a parameter that it is tied to.
  private func isTied(_ target: Name, _ stored: Name) -> Bool { renamed(target) != stored }

  private init(_ rule: Rule, _ stored: [Name: Name], rules: NameRules? = nil) {
    self.rule = rule
    self.stored = stored
    self.rules = rules
  }

  /// Returns the name that the rule makes of a parameter's name, whether the base has it or not.
  public func renamed(_ name: Name) -> Name {
    switch rule {
    case .exact, .tie: return name
    case .bound: return stored[name] ?? name
    case .table: return rules?.inFiles(name) ?? name
    case .prefix(let from, let to):
      guard name.hasPrefix(from) else { return name }
      return Name(to.text + name.dropFirst(from.text.utf8.count).text)
    }
  }

  private static func stored(
    _ name: Name, in checkpoint: Checkpoint, _ ties: TiedParameters
  ) -> Name? {
    checkpoint.tensor(name) != nil ? name : ties.stored(for: name)
  }
}

// MARK: - Prefixes

extension NameBinding {
  private static func byPrefix(
    _ targets: [Name], _ given: [Name: Name], _ checkpoint: Checkpoint, _ ties: TiedParameters,
    _ map: ((Name) -> Name?) -> [Name: Name]?
  ) throws(Failure) -> NameBinding {
    var found: [NameBinding] = []
    for (from, to) in rewrites(of: targets, checkpoint) {
      let stored = map { target in
        // An alias of a tied parameter may stand outside of the part that was moved.
        guard target.hasPrefix(from) else { return ties.stored(for: target) }
        let name = Name(to.text + target.dropFirst(from.text.utf8.count).text)
        // A stack of experts is stored under no name of its own.
        return Self.stored(name, in: checkpoint, ties) ?? name
      }
      if let stored, !found.contains(where: { $0.stored == stored }) {
        found.append(NameBinding(.prefix(from: from, to: to), stored))
      }
    }
    // Several prefixes that fit are decided between by what the base's own family is called in files.
    let asksFamily = found.isEmpty || (found.count > 1 && checkpoint.family != nil)
    for rules in asksFamily ? NameRules.candidates(for: checkpoint) : [] {
      let stored = map {
        let name = rules.inFiles($0)
        return self.stored(name, in: checkpoint, ties) ?? name
      }
      guard let stored, found.isEmpty || found.contains(where: { $0.stored == stored }) else {
        continue
      }
      return NameBinding(.table(family: rules.label.text), stored, rules: rules)
    }
    guard let first = found.first else { throw .unbound(candidates(targets, checkpoint)) }
    guard found.count > 1 else { return first }
    // The name that the user gives for one target tells which of them is meant for all.
    let meant = found.filter { binding in given.allSatisfy { binding.renamed($0) == $1 } }
    guard let only = meant.first, meant.count == 1, !given.isEmpty else {
      throw .ambiguous(found.map(\.rule))
    }
    return only
  }

  /// Prefix pairs that bind the first target. A prefix ends at a dot and holds no layer number, what
  /// is left of the name is at least a module and its parameter, and components are added, removed
  /// or put in another order, not replaced: a rewrite may say where a model sits in another, never
  /// which layer or which matrix is meant. Of several that bind everything none is taken.
  private static func rewrites(
    of targets: [Name], _ checkpoint: Checkpoint
  ) -> [(from: Name, to: Name)] {
    guard let first = targets.first else { return [] }
    var pairs: [(from: Name, to: Name)] = []
    for from in prefixes(of: first) {
      let rest = first.dropFirst(from.text.utf8.count)
      for stored in checkpoint.names where stored.hasSuffix(rest) {
        let to = stored.dropLast(rest.text.utf8.count)
        guard to != from, to.text.isEmpty || to.text.utf8.last == UInt8(ascii: "."),
          !holdsNumber(to),
          from.text.isEmpty || to.text.isEmpty || isReordered(from, to) || isWithin(from, to)
            || isWithin(to, from)
        else { continue }
        pairs.append((from, to))
      }
    }
    // The shortest prefixes first: they say most plainly what was rewritten.
    return pairs.sorted {
      ($0.from.text.utf8.count, $0.to.text) < ($1.from.text.utf8.count, $1.to.text)
    }
  }

  private static func prefixes(of name: Name) -> [Name] {
    var prefixes: [Name] = [""]
    var prefix = ""
    for part in name.text.split(separator: ".", omittingEmptySubsequences: false).dropLast(2) {
      prefix += part + "."
      guard !part.utf8.allSatisfy(isDigit) else { break }
      prefixes.append(Name(prefix))
    }
    return prefixes
  }

  private static func isReordered(_ from: Name, _ to: Name) -> Bool {
    from.text.split(separator: ".").sorted() == to.text.split(separator: ".").sorted()
  }

  /// The outer name has all components of the inner one, in their order, and one more: `model.` and
  /// `model.language_model.`.
  private static func isWithin(_ inner: Name, _ outer: Name) -> Bool {
    var rest = inner.text.split(separator: ".")[...]
    let components = outer.text.split(separator: ".")
    guard components.count == rest.count + 1 else { return false }
    for component in components where component == rest.first { rest.removeFirst() }
    return rest.isEmpty
  }

  private static func holdsNumber(_ prefix: Name) -> Bool {
    prefix.text.split(separator: ".").contains { $0.utf8.allSatisfy(isDigit) }
  }

  private static func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }

  /// For the first few targets that are not stored under their own name, the stored names with the
  /// longest common ending.
  private static func candidates(
    _ targets: [Name], _ checkpoint: Checkpoint
  ) -> [Name: [Name]] {
    let missing = targets.filter { checkpoint.tensor($0) == nil }
    var result: [Name: [Name]] = [:]
    for target in (missing.isEmpty ? targets : missing).prefix(3) {
      let parts = target.text.split(separator: ".")
      let scored = checkpoint.names.map { name in
        let common = zip(name.text.split(separator: ".").reversed(), parts.reversed())
          .prefix { $0 == $1 }.count
        return (common, name)
      }
      let best = scored.filter { $0.0 > 1 }.sorted { ($1.0, $0.1) < ($0.0, $1.1) }
      result[target] = best.prefix(3).map(\.1)
    }
    return result
  }
}

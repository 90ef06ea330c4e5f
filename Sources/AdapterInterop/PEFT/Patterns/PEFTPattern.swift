package import StrictJSON

/// A pattern table of PEFT (`rank_pattern`, `alpha_pattern`): the first key, in the order of the
/// JSON text, that matches a module's name gives its value.
///
/// PEFT's rule (`peft.utils.other.get_pattern_key`): a key is a regular expression and matches where
/// `re.match(rf"(.*\.)?({key})$", module)` does; where none does, a key that equals the module's
/// name counts.
package struct PEFTPattern {
  private var entries: [(key: String, value: Double)] = []
  private var plain = PlainKeys()
  /// Those that are not, by their numbers.
  private var expressions: [(number: Int, regex: LinearRegex, doubt: LookDoubt?)] = []

  /// Bytes that all expressions of a table may have: matching them is work for every module.
  private static let maximumByteCount = 1 << 17
  /// Steps that their programs may have: a repetition is short, and stands for thousands.
  private static let maximumSteps = 1 << 19

  private let field: Name
  private let work: MatchingWork

  /// Compiles a table.
  package init(_ members: [JSONValue.Member], field: Name) throws {
    try self.init(members, field: field, MatchingWork())
  }

  init(
    _ members: [JSONValue.Member], field: Name, _ work: MatchingWork
  ) throws {
    (self.field, self.work) = (field, work)
    var (length, steps) = (0, 0)
    for member in members {
      guard let value = member.value.double else {
        throw InteropError.field(field, "the value of \"\(member.key)\" is not a number")
      }
      entries.append((member.key.text, value))
      if plain.add(member.key.text, number: entries.count - 1) { continue }
      length += member.key.text.utf8.count
      guard length <= Self.maximumByteCount else {
        throw InteropError.field(
          field, "has expressions of more than \(Self.maximumByteCount) bytes")
      }
      do throws(LinearRegex.Unsupported) {
        let regex = try LinearRegex("(.*\\.)?(\(member.key.text))$")
        let doubt = regex.looksAround ? try LookDoubt(member.key.text) : nil
        expressions.append((entries.count - 1, regex, doubt))
        steps += regex.stepCount + (doubt?.stepCount ?? 0)
      } catch {
        throw InteropError.field(field, "pattern \"\(member.key)\" has \(error.what)")
      }
      guard steps <= Self.maximumSteps else {
        throw InteropError.field(
          field, "has patterns of more than \(Self.maximumSteps) steps in all")
      }
    }
  }

  /// The key that matches a module's name as PEFT sees it, and its value; nil where none does.
  ///
  /// - Throws: `InteropError.config` where all names so far took too long.
  package func match(_ module: Name) throws -> (key: String, value: Double)? {
    var cost = 1
    let first = plain.first(for: Array(module.text.unicodeScalars), &cost)
    guard work.spend(cost) else { throw tooMuchWork }
    for (number, regex, doubt) in expressions where number < first ?? .max {
      guard let isMatch = regex.matchesPrefix(of: module.text, work) else { throw tooMuchWork }
      guard isMatch else { continue }
      if let doubt {
        guard let isDoubtful = doubt.applies(to: module, work) else { throw tooMuchWork }
        guard !isDoubtful else { throw evaded(entries[number].key, module) }
      }
      return entries[number]
    }
    let same = expressions.first { Name(entries[$0.number].key) == module }?.number
    return (first ?? same).map { entries[$0] }
  }

  private func evaded(_ key: String, _ module: Name) -> InteropError {
    .field(
      field,
      "PEFT tries pattern \"\(key)\" behind every dot, and so applies it to \(module), which its look-around leaves out"
    )
  }

  private var tooMuchWork: InteropError {
    .field(field, "has patterns that take too long to match")
  }

  /// A name as a key that matches it: what a regular expression would read as something else is escaped.
  static func key(for module: Name) -> String {
    let special = Set("\\.^$*+?{}[]|()".unicodeScalars)
    return module.text.unicodeScalars.reduce(into: "") { key, scalar in
      if special.contains(scalar) { key.unicodeScalars.append("\\") }
      key.unicodeScalars.append(scalar)
    }
  }

  /// Keys that no module matches first: they do nothing.
  func unusedKeys(_ modules: [Name]) throws -> [String] {
    guard !entries.isEmpty else { return [] }
    var used = Set<String>()
    for module in modules {
      if let key = try match(module)?.key { used.insert(key) }
    }
    return entries.map(\.key).filter { !used.contains($0) }
  }
}

/// Where PEFT's matching evades a look-around: `(?!.*layers\.3).*q_proj` leaves layer 3 out as it is written, and PEFT tries
/// it behind the dot before `q_proj` too, where no layer is to be seen.
private struct LookDoubt {
  private let written: LinearRegex
  private let blind: LinearRegex

  init(_ key: String) throws(LinearRegex.Unsupported) {
    written = try LinearRegex("(\(key))$")
    blind = try LinearRegex("(\(key))$", ignoringLooks: true)
  }

  var stepCount: Int { written.stepCount + blind.stepCount }

  /// Returns true if PEFT matches a name that the expression leaves out by looking around; nil if that is more work
  /// than is left.
  func applies(to module: Name, _ work: MatchingWork) -> Bool? {
    guard let isWritten = written.matchesPrefix(of: module.text, work) else { return nil }
    guard !isWritten else { return false }
    return blind.matchesPrefix(of: module.text, work)
  }
}

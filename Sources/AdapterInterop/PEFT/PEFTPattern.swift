package import StrictJSON

/// A pattern table of PEFT (`rank_pattern`, `alpha_pattern`): the first key, in the order of the
/// JSON text, that matches a module's name gives its value.
///
/// PEFT's rule (`peft.utils.other.get_pattern_key`): a key is a regular expression and matches where
/// `re.match(rf"(.*\.)?({key})$", module)` does; where none does, a key that equals the module's
/// name counts.
package struct PEFTPattern {
  private var entries: [(key: String, matcher: Matcher, value: Double)] = []

  private enum Matcher {
    /// Letters, digits and dots alone: most tables list modules by their names, which needs no machine.
    case plain([Unicode.Scalar])
    case regex(LinearRegex)
  }

  /// Bytes that all patterns of a table may have: matching them is work for every module.
  private static let maximumByteCount = 1 << 17
  /// Steps that their programs may have: a repetition is short, and stands for thousands.
  private static let maximumSteps = 1 << 19

  private let field: String
  private let work: MatchingWork

  /// Compiles a table.
  package init(_ members: [JSONValue.Member], field: String) throws(InteropError) {
    try self.init(members, field: field, MatchingWork())
  }

  init(
    _ members: [JSONValue.Member], field: String, _ work: MatchingWork
  ) throws(InteropError) {
    (self.field, self.work) = (field, work)
    var steps = 0
    let length = members.reduce(0) { $0 + $1.key.text.utf8.count }
    guard length <= Self.maximumByteCount else {
      throw .config(field: field, "has patterns of \(length) bytes in all")
    }
    for member in members {
      guard let value = member.value.double else {
        throw .config(field: field, "the value of \"\(member.key)\" is no number")
      }
      do throws(LinearRegex.Unsupported) {
        if let plain = Self.plain(member.key.text) {
          entries.append((member.key.text, .plain(plain), value))
          continue
        }
        let regex = try LinearRegex("(.*\\.)?(\(member.key.text))$")
        entries.append((member.key.text, .regex(regex), value))
        steps += regex.stepCount
      } catch {
        throw .config(field: field, "pattern \"\(member.key)\" has \(error.what)")
      }
      guard steps <= Self.maximumSteps else {
        throw .config(field: field, "has patterns of more than \(Self.maximumSteps) steps in all")
      }
    }
  }

  /// The key that matches a module's name as PEFT sees it, and its value; nil where none does.
  ///
  /// - Throws: `InteropError.config` where all names so far took too long.
  package func match(_ module: Name) throws(InteropError) -> (key: String, value: Double)? {
    let scalars = Array(module.text.unicodeScalars)
    for entry in entries {
      let isMatch: Bool? =
        switch entry.matcher {
        case .plain(let plain): work.spend(1) ? Self.matches(plain, scalars) : nil
        case .regex(let regex): regex.matchesPrefix(of: module.text, work)
        }
      guard let isMatch else {
        throw .config(field: field, "has patterns that take too long to match")
      }
      if isMatch { return (entry.key, entry.value) }
    }
    return entries.first { Name($0.key) == module }.map { ($0.key, $0.value) }
  }

  /// A key without anything that a regular expression gives a meaning, but for dots.
  private static func plain(_ key: String) -> [Unicode.Scalar]? {
    let scalars = Array(key.unicodeScalars)
    let isPlain = scalars.allSatisfy { scalar in
      switch scalar {
      case "a"..."z", "A"..."Z", "0"..."9", "_", "-", ".": true
      default: false
      }
    }
    return isPlain && !scalars.isEmpty ? scalars : nil
  }

  /// Whether a name is the key, or ends with a dot and it; a dot of the key stands for any character but
  /// the end of a line.
  private static func matches(_ plain: [Unicode.Scalar], _ name: [Unicode.Scalar]) -> Bool {
    let start = name.count - plain.count
    guard start >= 0 else { return false }
    for (index, scalar) in plain.enumerated().reversed()
    where scalar != name[start + index] && (scalar != "." || name[start + index] == "\n") {
      return false
    }
    return start == 0 || name[start - 1] == "."
  }

  /// Keys that no module matches first: they do nothing.
  func unusedKeys(_ modules: [Name]) throws(InteropError) -> [String] {
    guard !entries.isEmpty else { return [] }
    var used = Set<String>()
    for module in modules {
      if let key = try match(module)?.key { used.insert(key) }
    }
    return entries.map(\.key).filter { !used.contains($0) }
  }
}

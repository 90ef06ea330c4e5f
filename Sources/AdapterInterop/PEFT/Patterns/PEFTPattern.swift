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
    /// Letters, digits and dots alone, nil for a dot that stands for any character: most tables list modules by
    /// their names, which needs no machine.
    case plain([Unicode.Scalar?])
    case regex(LinearRegex)
  }

  /// Bytes that all patterns of a table may have: matching them is work for every module.
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
    var steps = 0
    let length = members.reduce(0) { $0 + $1.key.text.utf8.count }
    guard length <= Self.maximumByteCount else {
      throw InteropError.field(field, "has patterns of \(length) bytes in all")
    }
    for member in members {
      guard let value = member.value.double else {
        throw InteropError.field(field, "the value of \"\(member.key)\" is no number")
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
    let scalars = Array(module.text.unicodeScalars)
    for entry in entries {
      let isMatch: Bool? =
        switch entry.matcher {
        case .plain(let plain): work.spend(1) ? Self.matches(plain, scalars) : nil
        case .regex(let regex): regex.matchesPrefix(of: module.text, work)
        }
      guard let isMatch else {
        throw InteropError.field(field, "has patterns that take too long to match")
      }
      if isMatch { return (entry.key, entry.value) }
    }
    return entries.first { Name($0.key) == module }.map { ($0.key, $0.value) }
  }

  /// A key without anything that a regular expression gives a meaning, but for dots, escaped or not.
  private static func plain(_ key: String) -> [Unicode.Scalar?]? {
    var plain: [Unicode.Scalar?] = []
    var isEscaped = false
    for scalar in key.unicodeScalars {
      switch (scalar, isEscaped) {
      case ("\\", false):
        isEscaped = true
        continue
      case (".", true): plain.append(scalar)
      case (".", false): plain.append(nil)
      case ("a"..."z", false), ("A"..."Z", false), ("0"..."9", false), ("_", false), ("-", false):
        plain.append(scalar)
      default: return nil
      }
      isEscaped = false
    }
    return isEscaped || plain.isEmpty ? nil : plain
  }

  /// Whether a name is the key, or ends with a dot and it; a dot of the key that is not escaped stands for any
  /// character but the end of a line.
  private static func matches(_ plain: [Unicode.Scalar?], _ name: [Unicode.Scalar]) -> Bool {
    let start = name.count - plain.count
    guard start >= 0 else { return false }
    for (index, scalar) in plain.enumerated().reversed() {
      let other = name[start + index]
      guard scalar == other || (scalar == nil && other != "\n") else { return false }
    }
    return start == 0 || name[start - 1] == "."
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

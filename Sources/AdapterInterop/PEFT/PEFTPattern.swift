internal import Storage
package import StrictJSON

/// A pattern table of PEFT (`rank_pattern`, `alpha_pattern`): the first key, in the order of the
/// JSON text, that matches a module's name gives its value.
///
/// PEFT's rule (`peft.utils.other.get_pattern_key`): a key is a regular expression and matches where
/// `re.match(rf"(.*\.)?({key})$", module)` does; where none does, a key that equals the module's
/// name counts.
package struct PEFTPattern {
  private var entries: [(key: String, regex: LinearRegex, value: Double)] = []
  private let field: String
  private let work = Guarded(0)

  /// Bytes that all patterns of a table may have: matching them is work for every module.
  private static let maximumByteCount = 1 << 17
  /// Steps of all of them, and how many may be looked at to match all modules.
  private static let maximumSteps = 1 << 17
  private static let maximumWork = 1 << 28

  /// Compiles a table.
  package init(_ members: [JSONValue.Member], field: String) throws(InteropError) {
    self.field = field
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
        let regex = try LinearRegex("(.*\\.)?(\(member.key.text))$")
        steps += regex.stepCount
        guard steps <= Self.maximumSteps else {
          throw LinearRegex.Unsupported(
            what: "with the others more than \(Self.maximumSteps) steps")
        }
        entries.append((member.key.text, regex, value))
      } catch {
        throw .config(field: field, "pattern \"\(member.key)\" has \(error.what)")
      }
    }
  }

  /// The key that matches a module's name as PEFT sees it, and its value; nil where none does.
  ///
  /// - Throws: `InteropError.config` where the patterns take far longer than any that mean something.
  package func match(
    _ module: Name
  ) throws(InteropError) -> (key: String, value: Double)? {
    var spent = work.withLock { $0 }
    defer { work.withLock { [spent] in $0 = max($0, spent) } }
    for entry in entries {
      guard spent <= Self.maximumWork else {
        throw .config(field: field, "has patterns that take too long to match")
      }
      if entry.regex.matchesPrefix(of: module.text, work: &spent) {
        return (entry.key, entry.value)
      }
    }
    return entries.first { Name($0.key) == module }.map { ($0.key, $0.value) }
  }

  /// Keys that no module matches first: they do nothing.
  func unusedKeys(_ modules: [Name]) throws(InteropError) -> [String] {
    var used = Set<String>()
    for module in modules {
      if let key = try match(module)?.key { used.insert(key) }
    }
    return entries.map(\.key).filter { !used.contains($0) }
  }
}

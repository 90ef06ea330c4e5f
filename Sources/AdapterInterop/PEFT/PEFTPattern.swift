package import StrictJSON

/// A pattern table of PEFT (`rank_pattern`, `alpha_pattern`): the first key, in the order of the
/// JSON text, that matches a module's name gives its value.
///
/// PEFT's rule (`peft.utils.other.get_pattern_key`): a key is a regular expression and matches where
/// `re.match(rf"(.*\.)?({key})$", module)` does; where none does, a key that equals the module's
/// name counts.
package struct PEFTPattern {
  private var entries: [(key: String, regex: LinearRegex, value: Double)] = []

  /// Bytes that all patterns of a table may have: matching them is work for every module.
  private static let maximumByteCount = 1 << 17

  /// Compiles a table.
  package init(_ members: [JSONValue.Member], field: String) throws(InteropError) {
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
        entries.append((member.key.text, regex, value))
      } catch {
        throw .config(field: field, "pattern \"\(member.key)\" has \(error.what)")
      }
    }
  }

  /// The key that matches a module's name as PEFT sees it, and its value; nil where none does.
  package func match(_ module: Name) -> (key: String, value: Double)? {
    let entry =
      entries.first { $0.regex.matchesPrefix(of: module.text) }
      ?? entries.first { Name($0.key) == module }
    return entry.map { ($0.key, $0.value) }
  }

  /// Keys that no module matches first: they do nothing.
  func unusedKeys(_ modules: [Name]) -> [String] {
    let used = Set(modules.compactMap { match($0)?.key })
    return entries.map(\.key).filter { !used.contains($0) }
  }
}

internal import StrictJSON

/// What `target_modules`, or another field of its kind, covers: a list of endings, or a regular expression for all
/// of the name.
struct ModuleSelection {
  private let kind: Kind

  private enum Kind {
    /// The endings by their lengths, so that a module is held against a few and not against all.
    case endings([Int: Set<Name>])
    case pattern(LinearRegex)
    /// A pattern that is not linear, "all-linear", nothing at all.
    case unknown
  }

  /// A regular expression that takes more for every module says nothing.
  private static let maximumSteps = 1_000

  init(_ field: JSONValue?) {
    switch field {
    case .array(let values):
      var endings: [Int: Set<Name>] = [:]
      for case .string(let text) in values {
        endings[text.utf8.count, default: []].insert(Name(text))
      }
      kind = .endings(endings)
    case .string(let text) where text != "all-linear":
      let regex = try? LinearRegex("(?:\(text))$", maximumSteps: Self.maximumSteps)
      kind = regex.map { .pattern($0) } ?? .unknown
    default: kind = .unknown
    }
  }

  /// Whether it covers a module; nil where it cannot say.
  ///
  /// - Parameters:
  ///   - module: the module's name.
  ///   - needsDot: whether an ending must begin where a part of the name does.
  func covers(_ module: Name, needsDot: Bool = true) -> Bool? {
    switch kind {
    case .endings(let endings):
      let bytes = module.text.utf8
      let count = bytes.count
      return endings.contains { length, names in
        guard length <= count else { return false }
        let start = bytes.index(bytes.startIndex, offsetBy: count - length)
        let isPart =
          !needsDot || length == count || bytes[bytes.index(before: start)] == UInt8(ascii: ".")
        return isPart && names.contains(module.dropFirst(count - length))
      }
    case .pattern(let regex):
      var work = 0
      return regex.matchesPrefix(of: module.text, work: &work)
    case .unknown: return nil
    }
  }
}

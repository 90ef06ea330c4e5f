internal import StrictJSON

/// Which modules `target_modules`, or another field of its kind, names: a list of endings, or a regular
/// expression for all of the name.
struct PEFTCoverage {
  private let texts: Set<Name>
  /// The lengths that they have, ascending: an adapter may list thousands, of a few lengths.
  private let lengths: [Int]
  private let needsDot: Bool
  private let pattern: LinearRegex?
  private let isList: Bool
  private let work: MatchingWork

  init(_ value: JSONValue?, needsDot: Bool, _ work: MatchingWork) {
    var texts: [Name] = []
    var pattern: LinearRegex?
    switch value {
    case .array(let values):
      texts = values.compactMap { if case .string(let text) = $0 { Name(text) } else { nil } }
      isList = true
    case .string(let text) where text != "all-linear":
      pattern = try? LinearRegex("(?:\(text))$")
      isList = false
    default: isList = false
    }
    self.texts = Set(texts)
    lengths = Set(texts.map(\.text.utf8.count)).sorted()
    self.needsDot = needsDot
    self.pattern = pattern
    self.work = work
  }

  /// Returns true if a module is among them; nil if that cannot be said (a pattern that is not linear, "all-linear",
  /// nothing at all).
  func covers(_ module: Name) -> Bool? {
    guard isList else { return pattern?.matchesPrefix(of: module.text, work) ?? nil }
    if texts.contains(module) { return true }
    let bytes = Array(module.text.utf8)
    return lengths.contains { length in
      guard length < bytes.count else { return false }
      let start = bytes.count - length
      guard !needsDot || bytes[start - 1] == UInt8(ascii: "."),
        length == 0 || !UTF8.isContinuation(bytes[start])
      else { return false }
      return texts.contains(Name(String(decoding: bytes[start...], as: UTF8.self)))
    }
  }
}

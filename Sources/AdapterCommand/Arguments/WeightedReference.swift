internal import Storage
internal import SystemPackage

/// An adapter of a stack as the command line names it: an `AdapterReference`, and after a colon its
/// weight. An existing file of the whole name wins over the reading with a weight.
struct WeightedReference {
  let adapter: AdapterReference
  let weight: Double
  /// How messages call it: the argument without the weight.
  let label: String

  init(_ argument: String) throws(Failure) {
    guard FileStatus(of: FilePath(argument)) == nil, let mark = argument.lastIndex(of: ":") else {
      self.init(try AdapterReference(argument), 1, argument)
      return
    }
    let (name, text) = (String(argument[..<mark]), String(argument[argument.index(after: mark)...]))
    if let weight = Self.weight(text) {
      self.init(try AdapterReference(name), weight, name)
      return
    }
    // A name that holds a colon, and no weight.
    let isWeighted = name == "-" || name.hasPrefix("-#") || Self.exists(name)
    guard !isWeighted else {
      throw Failure(
        "\(argument): weight \"\(text)\" is not a finite decimal number",
        hint: "a weight looks like this: \(name):0.7")
    }
    self.init(try AdapterReference(argument), 1, argument)
  }

  private init(_ adapter: AdapterReference, _ weight: Double, _ label: String) {
    (self.adapter, self.weight, self.label) = (adapter, weight, label)
  }

  private static func exists(_ name: String) -> Bool {
    if FileStatus(of: FilePath(name)) != nil || ModelNames.holds(name) { return true }
    guard let mark = name.lastIndex(of: "#") else { return false }
    return FileStatus(of: FilePath(String(name[..<mark]))) != nil
  }

  /// A decimal number such as 0.7, -0.3 or 1e-2: what else Swift would read as one is none here.
  static func weight(_ text: String) -> Double? {
    guard text.utf8.allSatisfy({ "0123456789+-.eE".utf8.contains($0) }), let weight = Double(text),
      weight.isFinite
    else { return nil }
    return weight
  }
}

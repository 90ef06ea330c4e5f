internal import AdapterFormat
internal import StrictJSON

/// `adapter_config.json` with typed access to its fields.
struct PEFTConfig {
  let method: PEFTMethod
  private let fields: [Name: JSONValue]

  /// Reads the method; `ConfigFields` judges the fields.
  ///
  /// - Parameter value: the configuration's text, parsed.
  /// - Throws: `InteropError` where the method is missing or not understood.
  init(_ value: JSONValue) throws(InteropError) {
    guard case .object(let members) = value else {
      throw .config(field: "the whole", "is not an object")
    }
    fields = Dictionary(members.map { ($0.key, $0.value) }) { first, _ in first }
    guard case .string(let name) = fields["peft_type"] else {
      throw .config(field: "peft_type", "missing")
    }
    guard let method = PEFTMethod(rawValue: name) else {
      throw .unsupportedMethod(name, reason: PEFTMethod.refused[name])
    }
    self.method = method
  }

  /// A field's value; nil where it is missing or null.
  subscript(_ field: Name) -> JSONValue? { fields[field].flatMap { $0 == .null ? nil : $0 } }

  func text(_ field: Name) -> String? {
    if case .string(let text) = self[field] { text } else { nil }
  }

  /// A number that must be there.
  func number(_ field: Name) throws(InteropError) -> Double {
    guard let value = self[field] else { throw .config(field: field.text, "missing") }
    guard let number = value.double else { throw .config(field: field.text, "is no number") }
    return number
  }

  /// No count in a configuration is larger.
  static let maximumCount = 1 << 31 - 1

  /// A positive integer that must be there.
  func count(_ field: Name) throws(InteropError) -> Int {
    let number = try number(field)
    guard let count = Int(exactly: number), (1...Self.maximumCount).contains(count) else {
      throw .config(field: field.text, "must be a positive integer, not \(number)")
    }
    return count
  }

  /// True or false; `absent` where it is not there.
  func flag(_ field: Name, absent: Bool = false) throws(InteropError) -> Bool {
    switch self[field] {
    case nil: absent
    case .boolean(let flag): flag
    default: throw .config(field: field.text, "is neither true nor false")
    }
  }

  func pattern(_ field: Name) throws(InteropError) -> PEFTPattern {
    switch self[field] {
    case nil: try PEFTPattern([], field: field.text)
    case .object(let members): try PEFTPattern(members, field: field.text)
    default: throw .config(field: field.text, "is not an object")
    }
  }

  /// Texts of a list; none where it is missing.
  func texts(_ field: Name) throws(InteropError) -> [String] {
    guard let value = self[field] else { return [] }
    guard case .array(let values) = value else {
      throw .config(field: field.text, "is not a list")
    }
    var texts: [String] = []
    for value in values {
      guard case .string(let text) = value else {
        throw .config(field: field.text, "holds something that is no text")
      }
      texts.append(text)
    }
    return texts
  }

  /// Integers that must be there.
  func integers(_ value: JSONValue, _ field: Name) throws(InteropError) -> [Int] {
    guard case .array(let values) = value else { throw .config(field: field.text, "is not a list") }
    var numbers: [Int] = []
    for value in values {
      guard case .integer(let number) = value else {
        throw .config(field: field.text, "holds something that is no index")
      }
      numbers.append(Int(number))
    }
    return numbers
  }

  /// What `target_modules`, or another field of its kind, says of modules.
  func selection(_ field: Name) -> ModuleSelection { ModuleSelection(self[field]) }

  /// PEFT's version, as (major, minor); nil where it is not recorded, as before 0.16.
  var version: (Int, Int)? {
    let parts = text("peft_version")?.split(separator: ".").prefix(2).map { Int($0) }
    guard let parts, parts.count == 2, let major = parts[0], let minor = parts[1] else {
      return nil
    }
    return (major, minor)
  }
}

/// Rank and scale of LoRA and its kin: r and lora_alpha, by module.
struct PEFTRanks {
  private let rank: Double
  private let alpha: Double
  private let usesSquareRoot: Bool
  let rankPattern: PEFTPattern
  let alphaPattern: PEFTPattern

  init(_ config: PEFTConfig, alpha: Name) throws(InteropError) {
    rank = Double(try config.count("r"))
    self.alpha = try config.number(alpha)
    usesSquareRoot = try config.flag("use_rslora")
    rankPattern = try config.pattern("rank_pattern")
    alphaPattern = try config.pattern("alpha_pattern")
  }

  /// Rank of a module, and what its product is multiplied with: alpha / r, or alpha / √r.
  func numbers(for module: Name) throws(InteropError) -> (rank: Int, scale: Double) {
    let rank = try rankPattern.match(module)?.value ?? rank
    guard let count = Int(exactly: rank), (1...PEFTConfig.maximumCount).contains(count) else {
      throw .config(field: "r or rank_pattern", "gives \(module) the rank \(rank)")
    }
    let alpha = try alphaPattern.match(module)?.value ?? alpha
    return (count, alpha / (usesSquareRoot ? rank.squareRoot() : rank))
  }

  /// Keys of the patterns that no module matches first: they do nothing.
  func notes(_ modules: [Name]) throws(InteropError) -> [String] {
    var notes: [String] = []
    for (field, pattern) in [("rank_pattern", rankPattern), ("alpha_pattern", alphaPattern)] {
      let unused = try pattern.unusedKeys(modules)
      if !unused.isEmpty {
        notes.append("\(field): no module for " + unused.joined(separator: ", "))
      }
    }
    return notes
  }
}

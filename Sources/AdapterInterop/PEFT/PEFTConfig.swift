internal import AdapterFormat
internal import StrictJSON

/// `adapter_config.json` with typed access to its fields.
struct PEFTConfig {
  let method: PEFTMethod
  private let fields: [Name: JSONValue]
  private let work = MatchingWork()

  /// Reads the method; `ConfigFields` judges the fields.
  ///
  /// - Parameter value: the configuration's text, parsed.
  /// - Throws: `InteropError` where the method is missing or not understood.
  init(_ value: JSONValue) throws {
    guard case .object(let members) = value else {
      throw InteropError.field("the whole", "is not an object")
    }
    fields = Dictionary(members.map { ($0.key, $0.value) }) { first, _ in first }
    guard case .string(let name) = fields["peft_type"] else {
      throw InteropError.field("peft_type", "missing")
    }
    method = try PEFTMethod.named(name)
  }

  /// A field's value; nil where it is missing or null.
  subscript(_ field: Name) -> JSONValue? { fields[field].flatMap { $0 == .null ? nil : $0 } }

  func text(_ field: Name) -> String? {
    if case .string(let text) = self[field] { text } else { nil }
  }

  /// A number that must be there.
  func number(_ field: Name) throws -> Double {
    guard let value = self[field] else { throw InteropError.field(field, "missing") }
    guard let number = value.double else { throw InteropError.field(field, "is not a number") }
    return number
  }

  /// No count in a configuration is larger.
  static let maximumCount = 1 << 31 - 1

  /// A positive integer that must be there.
  func count(_ field: Name) throws -> Int {
    let number = try number(field)
    guard let count = Int(exactly: number), (1...Self.maximumCount).contains(count) else {
      throw InteropError.field(field, "must be a positive integer, not \(number)")
    }
    return count
  }

  /// True or false; `absent` where it is not there.
  func flag(_ field: Name, absent: Bool = false) throws -> Bool {
    switch self[field] {
    case nil: absent
    case .boolean(let flag): flag
    default: throw InteropError.field(field, "is neither true nor false")
    }
  }

  func pattern(_ field: Name) throws -> PEFTPattern {
    switch self[field] {
    case nil: try PEFTPattern([], field: field, work)
    case .object(let members): try PEFTPattern(members, field: field, work)
    default: throw InteropError.field(field, "is not an object")
    }
  }

  /// Texts of a list; none where it is missing.
  func texts(_ field: Name) throws -> [String] {
    guard let value = self[field] else { return [] }
    guard case .array(let values) = value else {
      throw InteropError.field(field, "is not a list")
    }
    var texts: [String] = []
    for value in values {
      guard case .string(let text) = value else {
        throw InteropError.field(field, "holds a value that is not a string")
      }
      texts.append(text)
    }
    return texts
  }

  /// Entries of a list times tensors, at most: each of one is held against each of the other.
  private static let maximumComparisons = 1 << 22

  /// Refuses lists that it would take minutes to compare with all tensors.
  func checkSizes(tensors: Int) throws {
    let fields: [Name] = [
      "modules_to_save", "target_parameters", "trainable_token_indices", "token_indices",
      "use_bdlora",
    ]
    for field in fields {
      let count =
        switch self[field] {
        // Of a list of tokens none is compared.
        case .array(let values): values.count { if case .string = $0 { true } else { false } }
        case .object(let members) where field == "use_bdlora":
          members.reduce(0) { $0 + $1.value.elementCount }
        case .object(let members): members.count
        default: 0
        }
      guard count * tensors <= Self.maximumComparisons else {
        throw InteropError.field(
          field, "has \(count) entries, too many to compare with \(tensors) tensors")
      }
    }
  }

  /// Integers that must be there.
  func integers(_ value: JSONValue, _ field: Name) throws -> [Int] {
    guard case .array(let values) = value else { throw InteropError.field(field, "is not a list") }
    var numbers: [Int] = []
    for value in values {
      guard case .integer(let number) = value else {
        throw InteropError.field(field, "holds a value that is not an index")
      }
      numbers.append(Int(number))
    }
    return numbers
  }

  /// Which modules `target_modules`, or another field of its kind, names.
  func coverage(_ field: Name, needsDot: Bool = true) -> PEFTCoverage {
    PEFTCoverage(self[field], needsDot: needsDot, work)
  }

  /// PEFT's version, as (major, minor); nil where it is not recorded, as before 0.16.
  var version: (Int, Int)? {
    let parts = text("peft_version")?.split(separator: ".").prefix(2).map { Int($0) }
    guard let parts, parts.count == 2, let major = parts[0], let minor = parts[1] else {
      return nil
    }
    return (major, minor)
  }
}

extension JSONValue {
  /// Entries of a list or an object; 1 of any other value.
  var elementCount: Int {
    switch self {
    case .array(let values): values.count
    case .object(let members): members.count
    default: 1
    }
  }
}

internal import StrictJSON

/// The effect of the fields of a PEFT configuration on the mathematics: they shape it, they do not, or a value is
/// refused. A field in none of the three lists is not understood.
struct FieldRules: Sendable {
  enum Rule: Sendable {
    /// It shapes the mathematics, and is read where the method is.
    case honoured
    /// It has no effect once the adapter is trained, or only repeats what the tensors show.
    case noEffect
    /// It changes the mathematics in a way that is not supported: only these values, or an empty
    /// one, are accepted. Where the texts that are refused for the reason are listed, by their beginnings, all
    /// others are unknown.
    case only([JSONValue], refusing: [String]? = nil, reason: String)
  }

  private var rules: [Name: Rule] = [:]

  /// Lists fields, with white space between their names.
  init(honoured: String = "", noEffect: String = "", only: [Name: Rule] = [:]) {
    rules = only
    for field in honoured.split(whereSeparator: \.isWhitespace) {
      rules[Name(String(field))] = .honoured
    }
    for field in noEffect.split(whereSeparator: \.isWhitespace) {
      rules[Name(String(field))] = .noEffect
    }
  }

  /// These rules, and others, which win.
  func merging(_ others: FieldRules) -> FieldRules {
    var merged = self
    merged.rules.merge(others.rules) { $1 }
    return merged
  }

  /// Fields of all methods.
  private static let common = FieldRules(
    honoured: "peft_type base_model_name_or_path revision modules_to_save",
    noEffect: """
      auto_mapping exclude_modules inference_mode layers_pattern layers_to_transform peft_version
      target_modules task_type
      """)

  /// Holds every field of a configuration against the rules of a method and those of all.
  ///
  /// - Parameters:
  ///   - config: the configuration, an object.
  ///   - ignoredFields: unknown fields that the user says to mean nothing.
  /// - Throws: `InteropError` of the first field that is not understood.
  func check(_ config: JSONValue, ignoredFields: [Name]) throws {
    guard case .object(let members) = config else { return }
    let rules = Self.common.merging(self).rules
    for field in ignoredFields {
      guard rules[field] == nil, members.contains(where: { $0.key == field }) else {
        throw InteropError.field(field, "is known or not there, and cannot be ignored")
      }
    }
    for member in members where !ignoredFields.contains(member.key) {
      try Self.check(member.key, member.value, rules[member.key])
    }
  }

  /// Fields that are in none of the lists.
  func unknown(among fields: [Name]) -> [Name] {
    let rules = Self.common.merging(self).rules
    return fields.filter { rules[$0] == nil }
  }

  private static func check(
    _ field: Name, _ value: JSONValue, _ rule: Rule?
  ) throws {
    switch rule {
    case .honoured, .noEffect: return
    case .only(let values, let refused, let reason):
      guard !value.isEmpty, !values.contains(value) else { return }
      let isKnown =
        if let refused, case .string(let text) = value {
          refused.contains(where: text.hasPrefix)
        } else { refused == nil }
      throw InteropError.unsupportedField(
        field, value: value.shortText,
        isKnown ? reason : "a value that no version of PEFT known here has")
    case nil:
      guard value.isEmpty else { throw InteropError.unknownField(field) }
    }
  }
}

extension JSONValue {
  /// The value for an error message: as JSON, cut after 40 characters.
  fileprivate var shortText: String {
    var writer = JSONWriter()
    writer.value(self)
    let text = String(decoding: writer.bytes, as: UTF8.self)
    return text.count > 40 ? text.prefix(40) + "…" : text
  }
}

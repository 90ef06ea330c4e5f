internal import Storage
internal import StrictJSON
internal import SystemPackage

/// The description of how weights are quantised, from `config.json` or the file beside it: the numbers that tensors do
/// not show.
struct QuantisationConfig {
  private let members: [JSONValue.Member]

  /// The keys under which libraries keep it.
  static let keys: [Name] = ["quantization_config", "quantization", "compression_config"]
  private static let besides = ["quantize_config.json", "quant_config.json"]

  /// Nil where nothing is said.
  ///
  /// - Throws: `CheckpointError.storage` where a file cannot be read.
  init?(of checkpoint: Checkpoint) throws(CheckpointError) {
    let own = try Self.object(checkpoint.configPath)
    let nested = own.compactMap { member -> [JSONValue.Member]? in
      if case .object(let inner) = member.value { inner } else { nil }
    }
    for level in [own] + nested {
      for key in Self.keys {
        guard case .object(let members)? = level.first(where: { $0.key == key })?.value else {
          continue
        }
        self.members = members
        return
      }
    }
    for name in Self.besides {
      let members = try Self.object(checkpoint.configPath.removingLastComponent().appending(name))
      guard !members.isEmpty else { continue }
      self.members = members
      return
    }
    return nil
  }

  private static func object(_ path: FilePath) throws(CheckpointError) -> [JSONValue.Member] {
    let bytes = try storing { () throws(StorageError) in
      try File.ifThere(path)?.contents(limit: 1 << 20)
    }
    guard let bytes = bytes ?? nil,
      case .object(let members)? = try? JSONValue(document: bytes, maximumDepth: 32)
    else { return [] }
    return members
  }

  private subscript(key: Name) -> JSONValue? { members.first { $0.key == key }?.value }

  func text(_ key: Name) -> String? {
    if case .string(let text)? = self[key] { text } else { nil }
  }

  func boolean(_ key: Name) -> Bool? {
    if case .boolean(let value)? = self[key] { value } else { nil }
  }

  func integer(_ key: Name) -> Int? {
    self[key]?.double.flatMap { Int(exactly: $0) }
  }

  func integers(_ key: Name) -> [Int]? {
    guard case .array(let values)? = self[key] else { return nil }
    let integers = values.compactMap { $0.double.flatMap { Int(exactly: $0) } }
    return integers.count == values.count ? integers : nil
  }
}

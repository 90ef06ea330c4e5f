internal import AdapterFormat
internal import Checkpoints
internal import StrictJSON

/// The metadata of image models in safetensors files: ModelSpec's keys under our names (Spec/adp-v1.md, section 5.4),
/// all others as they are.
enum ModelSpec {
  private static let prefix: Name = "modelspec."
  private static let shared: Set<Name> = [
    "title", "author", "date", "license", "description", "trigger_phrase", "usage_hint", "tags",
    "merged_from",
  ]
  /// Of the file itself, and untrue of another.
  private static let ofTheFile: Set<Name> = [
    "format", "sshs_model_hash", "sshs_legacy_hash", "modelspec.hash_sha256",
  ]

  /// A file's metadata as ours.
  static func entries(of header: [SafetensorsHeader.Entry]) -> [Manifest.MetadataEntry] {
    var taken: Set<Name> = []
    return header.compactMap { entry in
      guard !ofTheFile.contains(entry.key) else { return nil }
      let inner =
        entry.key.hasPrefix(prefix) ? entry.key.dropFirst(prefix.text.utf8.count) : entry.key
      let key = shared.contains(inner) ? inner : entry.key
      return taken.insert(key).inserted ? Manifest.MetadataEntry(key, entry.value) : nil
    }
  }

  /// Our metadata as a file's, of the keys that such files have.
  static func header(
    of entries: [Manifest.MetadataEntry]
  ) -> (entries: [SafetensorsHeader.Entry], keys: Set<Name>) {
    var keys: Set<Name> = []
    let result: [SafetensorsHeader.Entry] = entries.compactMap { entry in
      let isOurs = shared.contains(entry.key)
      guard isOurs || entry.key.hasPrefix("ss_") || entry.key.hasPrefix(prefix) else { return nil }
      keys.insert(entry.key)
      return .init(isOurs ? Name("\(prefix)\(entry.key)") : entry.key, entry.value)
    }
    return (result, keys)
  }
}

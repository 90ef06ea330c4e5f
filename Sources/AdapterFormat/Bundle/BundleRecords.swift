internal import Storage
internal import StrictJSON

// What several files say of themselves, with one voice.

extension AdapterBundle {
  /// Returns the entries that every file has, in the same words: a text of one file need not be true of the others.
  static func commonMetadata(_ manifests: [Manifest]) -> [Manifest.MetadataEntry] {
    let all = manifests.map { Set($0.metadata) }
    return (manifests.first?.metadata ?? []).filter { entry in
      all.allSatisfy { $0.contains(entry) }
    }
  }

  /// A note for each key that is left out, and of which files it was.
  static func lostMetadata(
    _ manifests: [Manifest], _ labels: [String], _ settled: Set<Name>
  ) -> [String] {
    var keys: [Name] = []
    var seen = settled
    for key in manifests.flatMap(\.metadata).map(\.key) where seen.insert(key).inserted {
      keys.append(key)
    }
    let holdings = manifests.map { Set($0.metadata.map(\.key)) }
    return keys.map { key in
      let holders = zip(holdings, labels).filter { keys, _ in keys.contains(key) }
      var names: [String] = []
      for (_, label) in holders where !names.contains(label) { names.append(label) }
      return "metadata left out, because the files do not agree: \(key) (of "
        + names.joined(separator: ", ") + ")"
    }
  }
}

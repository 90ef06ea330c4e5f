package import StrictJSON

/// A manifest's text of which single members are exchanged, while all others stay as they stand:
/// unknown keys, the order of keys, the spelling of numbers.
struct ManifestText {
  private(set) var bytes: [UInt8]

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
  }

  /// A member of the outermost object.
  private struct Member {
    let key: Name
    /// From the comma before it, where there is one, to the one after it.
    let range: Range<Int>
    let value: Range<Int>
  }

  private func members() throws(FormatError) -> [Member] {
    try parsing { () throws(JSONError) in
      var reader = try JSONReader(bytes, maximumDepth: Limits.depth)
      var members: [Member] = []
      var keys = try reader.beginObject()
      var start = reader.offset
      while let key = try reader.nextKey(&keys) {
        let value = reader.offset
        try reader.skip()
        members.append(
          Member(key: key, range: start..<reader.offset, value: value..<reader.offset))
        start = reader.offset
      }
      return members
    }
  }

  /// Gives a member a value; one that is not there yet comes after those of `predecessors`.
  mutating func set(
    _ key: Name, to value: [UInt8], after predecessors: Set<Name>
  ) throws(FormatError) {
    let members = try members()
    if let member = members.first(where: { $0.key == key }) {
      return bytes.replaceSubrange(member.value, with: value)
    }
    var writer = JSONWriter()
    writer.string(key.text)
    let text = writer.bytes + [UInt8(ascii: ":")] + value
    let comma = UInt8(ascii: ",")
    if let last = members.last(where: { predecessors.contains($0.key) }) {
      bytes.insert(contentsOf: [comma] + text, at: last.range.upperBound)
    } else if let first = members.first {
      bytes.insert(contentsOf: text + [comma], at: first.range.lowerBound)
    }
  }

  /// Takes a member out, where it is there.
  mutating func remove(_ key: Name) throws(FormatError) {
    let members = try members()
    guard let index = members.firstIndex(where: { $0.key == key }) else { return }
    var range = members[index].range
    // The first has its comma behind it.
    if index == 0, members.count > 1 { range = range.lowerBound..<range.upperBound + 1 }
    bytes.removeSubrange(range)
  }
}

/// A user's changes to a manifest, beside those to the adapters themselves.
package struct ManifestEdit: Sendable, Hashable {
  /// Keys of the metadata and their texts.
  package var metadata: [Manifest.MetadataEntry]
  /// Keys of the metadata to be taken out.
  package var removed: [Name]
  /// The base's name.
  package var baseName: String?
  /// The base's revision.
  package var baseRevision: String?

  package init(
    metadata: [Manifest.MetadataEntry] = [], removed: [Name] = [], baseName: String? = nil,
    baseRevision: String? = nil
  ) {
    self.metadata = metadata
    self.removed = removed
    self.baseName = baseName
    self.baseRevision = baseRevision
  }

  /// True if it changes the base's name or revision.
  package var changesBase: Bool { baseName != nil || baseRevision != nil }

  /// Applies the edit to the text of a manifest.
  ///
  /// - Throws: `unsupported` where a key that this version does not know forbids it (section 10).
  package func apply(to text: [UInt8], of manifest: Manifest) throws(FormatError) -> [UInt8] {
    var text = ManifestText(text)
    let entries = edited(manifest.metadata)
    if entries == manifest.metadata {
      // Not even its spelling changes.
    } else if entries.isEmpty {
      try text.remove("metadata")
    } else {
      var writer = JSONWriter()
      Manifest.MetadataEntry.encode(entries, into: &writer)
      try text.set("metadata", to: writer.bytes, after: ["generator", "requires"])
    }
    guard changesBase else { return text.bytes }
    try manifest.checkNothingIsLost()
    var base =
      manifest.base
      ?? BaseRecord(name: nil, revision: nil, architecture: nil, fingerprint: nil)
    base.name = baseName ?? base.name
    base.revision = baseRevision ?? base.revision
    var writer = JSONWriter()
    base.encode(into: &writer)
    try text.set("base", to: writer.bytes, after: ["generator", "requires", "metadata"])
    return text.bytes
  }

  /// The entries in their order, new ones behind them.
  private func edited(_ entries: [Manifest.MetadataEntry]) -> [Manifest.MetadataEntry] {
    var entries = entries.filter { !removed.contains($0.key) }
    for entry in metadata {
      if let index = entries.firstIndex(where: { $0.key == entry.key }) {
        entries[index] = entry
      } else {
        entries.append(entry)
      }
    }
    return entries
  }
}

extension Manifest {
  /// Refuses what would lose a key that this version does not know (section 10).
  ///
  /// - Throws: `FormatError.unsupported`.
  package func checkNothingIsLost() throws(FormatError) {
    if let unknownKey { throw .unsupported("\(unknownKey), which would be lost") }
  }
}

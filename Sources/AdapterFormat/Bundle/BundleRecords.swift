internal import Storage
internal import StrictJSON

// What several files say of their base and of themselves, with one voice.

extension AdapterBundle {
  /// The base of all: what one does not say, another may.
  static func commonBase(_ members: [Member]) throws(BundleError) -> BaseRecord? {
    var common: BaseRecord?
    // Which file said it first, for the error.
    var labels: [String: String] = [:]
    for member in members {
      guard let base = member.file.manifest.base else { continue }
      let known =
        common
        ?? BaseRecord(
          name: nil, revision: nil, architecture: nil, fingerprint: nil)
      let facts = [
        ("name", known.name, base.name), ("revision", known.revision, base.revision),
        ("architecture", known.architecture, base.architecture),
        (
          "fingerprint", known.fingerprint?.digest.description, base.fingerprint?.digest.description
        ),
      ]
      for (what, old, new) in facts {
        guard let new else { continue }
        guard old ?? new == new else {
          throw BundleError(
            .otherBase,
            "\(labels[what] ?? "another") and \(member.label) are for different bases: "
              + "\(what) \(old ?? "") and \(new)")
        }
        labels[what] = labels[what] ?? member.label
      }
      common = BaseRecord(
        name: known.name ?? base.name, revision: known.revision ?? base.revision,
        architecture: known.architecture ?? base.architecture,
        fingerprint: joined(known.fingerprint, base.fingerprint))
    }
    return common
  }

  /// Two fingerprints of the same tensors; their sketches are of the tensors that each adapter changes.
  private static func joined(
    _ first: FingerprintRecord?, _ second: FingerprintRecord?
  ) -> FingerprintRecord? {
    guard let first, let second else { return first ?? second }
    let known = Set(first.sketch.map(\.name))
    let more = second.sketch.filter { !known.contains($0.name) }
    let room = max(0, FingerprintRecord.maximumSketchCount - first.sketch.count)
    return FingerprintRecord(tensors: first.tensors, sketch: first.sketch + more.prefix(room))
  }
}

// MARK: - Metadata

extension AdapterBundle {
  /// What every file says, in the same words: a text of one file need not be true of the others.
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

package import AdapterFormat
package import Operations
package import Storage
package import StrictJSON
package import SystemPackage

/// Adapters of several `.adp` files in one, as they are stored, unless they shall be compressed anew.
package struct AdapterBundle {
  /// What a user should know of it.
  package private(set) var notes: [String] = []
  /// The adapters, under the names that they will have.
  package let members: [Member]
  /// What the files say of themselves with one voice.
  package let metadata: [Manifest.MetadataEntry]
  private let base: BaseRecord?
  private let edit: ManifestEdit

  /// An adapter of a file.
  package struct Member {
    package let file: AdapterFile
    let index: Int
    /// What its file is called in messages.
    package let label: FilePath
    /// What its file suggests to call it, where that is one adapter's alone.
    let stem: Name?
    /// The name that it has, or was given.
    package fileprivate(set) var name: Name
    fileprivate let isNameGiven: Bool

    /// - Parameters:
    ///   - file: the file.
    ///   - index: the adapter's place in it.
    ///   - label: what the file is called in messages.
    ///   - stem: the file's name without folder and extension; nil where several adapters are taken.
    ///   - name: the name to give it; nil for the one it has.
    package init(
      _ file: AdapterFile, index: Int, label: FilePath, stem: String?, name: Name?
    ) {
      self.file = file
      self.index = index
      self.label = label
      self.stem = stem.flatMap { try? AdapterRecord.checkedAdapterName($0) }
      self.name = name ?? file.manifest.adapters[index].name
      isNameGiven = name != nil
    }
  }

  /// Puts adapters together.
  ///
  /// - Parameters:
  ///   - members: the adapters, in the order that they will have.
  ///   - edit: what to change in the manifest of all.
  /// - Throws: `InteropError` where names collide, bases differ, or a key of a later version would be
  ///   lost.
  package init(_ members: [Member], _ edit: ManifestEdit) throws(InteropError) {
    for member in members {
      try rethrowing(as: { InteropError.adapter(member.label, $0) }) { () throws(FormatError) in
        try member.file.manifest.checkNothingIsLost()
      }
    }
    let (named, note) = try Self.named(members)
    self.members = named
    base = try Self.commonBase(members)
    let labels = members.map(\.label)
    let manifests = members.map(\.file.manifest)
    metadata = Self.commonMetadata(manifests)
    self.edit = edit
    let settled = (metadata + edit.metadata).map(\.key) + edit.removed
    notes = [note].compactMap { $0 } + Self.lostMetadata(manifests, labels, Set(settled))
  }

  /// The adapters, as they will be called.
  ///
  /// - Throws: `InteropError.adapter` where an operation breaks the rules of its section.
  package func adapters() throws(InteropError) -> [Adapter] {
    var adapters: [Adapter] = []
    for member in members {
      var adapter = try rethrowing(as: { InteropError.adapter(member.label, $0) }) {
        () throws(FormatError) in try Adapter(member.file, index: member.index)
      }
      adapter.name = member.name
      adapters.append(adapter)
    }
    return adapters
  }

  /// Writes the file, in one pass.
  ///
  /// - Parameters:
  ///   - sink: takes the file.
  ///   - level: how to compress the tensors anew; nil where their stored bytes are copied, and nothing is decoded.
  /// - Throws: `InteropError.format` where an input is damaged, or the sink cannot be written.
  package func write(to sink: any ByteSink, level: CompressionLevel?) throws(InteropError) {
    var writer = try formatting { () throws(FormatError) in
      try AdapterWriter(to: sink, level: level ?? .default)
    }
    for member in members {
      try rethrowing(as: { InteropError.adapter(member.label, $0) }) { () throws(FormatError) in
        if level == nil {
          try writer.copy(member.file, adapter: member.index, as: member.name)
        } else {
          try writer.recompress(member.file, adapter: member.index, as: member.name)
        }
      }
    }
    try formatting { () throws(FormatError) in
      let manifest = writer.manifest(
        generator: "adapter \(toolVersion)", metadata: metadata, base: base)
      try writer.finish(manifest: try edit.apply(to: manifest.text, of: manifest))
    }
  }

  /// Writes a whole file again with another text of its manifest: every key that the edit leaves alone
  /// stays as it is, known or not.
  ///
  /// - Throws: `InteropError.format` where the file is damaged, or the sink cannot be written.
  package static func rewrite(
    _ file: AdapterFile, _ edit: ManifestEdit, to sink: any ByteSink
  ) throws(InteropError) {
    try formatting { () throws(FormatError) in
      let text = try edit.apply(to: file.manifestText(), of: file.manifest)
      var writer = try AdapterWriter(to: sink)
      for (index, adapter) in file.manifest.adapters.enumerated() {
        try writer.copy(file, adapter: index, as: adapter.name)
      }
      try writer.finish(manifest: text)
    }
  }
}

// MARK: - Names

extension AdapterBundle {
  /// The members under distinct names: their own, or where these collide those of their files.
  private static func named(
    _ members: [Member]
  ) throws(InteropError) -> (members: [Member], note: String?) {
    guard let twice = firstTwice(members) else { return (members, nil) }
    var renamed = members
    for index in renamed.indices where !renamed[index].isNameGiven {
      guard let stem = renamed[index].stem else { throw collision(twice) }
      renamed[index].name = stem
    }
    guard firstTwice(renamed) == nil else { throw collision(twice) }
    let names = renamed.map(\.name.text).joined(separator: ", ")
    return (renamed, "called after their files, because several are called \(twice): \(names)")
  }

  private static func firstTwice(_ members: [Member]) -> Name? {
    var seen = Set<Name>()
    return members.first { !seen.insert($0.name).inserted }?.name
  }

  private static func collision(_ name: Name) -> InteropError {
    .bundle("several adapters are called \(name)", hint: "give them names: NAME=FILE")
  }
}

// MARK: - Bases

extension AdapterBundle {
  /// The base of all: what one does not say, another may.
  private static func commonBase(_ members: [Member]) throws(InteropError) -> BaseRecord? {
    var common: BaseRecord?
    // Which file said it first, for the error.
    var labels: [String: FilePath] = [:]
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
          throw .bundle(
            "\(labels[what] ?? "another") and \(member.label) are for different bases: "
              + "\(what) \(old ?? "") and \(new)",
            hint: nil)
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
  private static func commonMetadata(_ manifests: [Manifest]) -> [Manifest.MetadataEntry] {
    let all = manifests.map { Set($0.metadata) }
    return (manifests.first?.metadata ?? []).filter { entry in
      all.allSatisfy { $0.contains(entry) }
    }
  }

  /// A note for each key that is left out, and of which files it was.
  private static func lostMetadata(
    _ manifests: [Manifest], _ labels: [FilePath], _ settled: Set<Name>
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
      for (_, label) in holders where !names.contains(label.string) { names.append(label.string) }
      return "metadata left out, because the files do not agree: \(key) (of "
        + names.joined(separator: ", ") + ")"
    }
  }
}

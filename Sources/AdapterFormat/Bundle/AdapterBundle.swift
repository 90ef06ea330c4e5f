package import Storage
package import StrictJSON

/// Adapters of several `.adp` files in one, as they are stored, unless they shall be compressed anew.
package struct AdapterBundle {
  /// The notes for the user.
  package private(set) var notes: [String] = []
  /// The adapters, under the names that they will have.
  package let members: [Member]
  /// The metadata that all files share.
  package let metadata: [Manifest.MetadataEntry]
  private let base: BaseRecord?
  private let edit: ManifestEdit

  /// An adapter of a file.
  package struct Member {
    /// The file.
    package let file: AdapterFile
    /// Its place in the file.
    package let index: Int
    /// The name of its file in messages.
    package let label: String
    /// The name that its file suggests for it; nil where several adapters of the file are taken.
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
      _ file: AdapterFile, index: Int, label: String, stem: String?, name: Name?
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
  /// - Throws: `BundleError` where names collide, bases differ, or a key of a later version would be
  ///   lost.
  package init(_ members: [Member], _ edit: ManifestEdit) throws(BundleError) {
    for member in members {
      try rethrowing(as: { BundleError($0, in: member.label) }) { () throws(FormatError) in
        try member.file.manifest.checkNothingIsLost()
      }
    }
    let (named, note) = try Self.named(members)
    self.members = named
    let common = try CommonBase(members)
    base = common.record
    let labels = members.map(\.label)
    let manifests = members.map(\.file.manifest)
    metadata = Self.commonMetadata(manifests)
    self.edit = edit
    let settled = (metadata + edit.metadata).map(\.key) + edit.removed
    notes =
      [note].compactMap { $0 } + common.notes + Self.lostMetadata(manifests, labels, Set(settled))
  }

  /// Writes the file, in one pass.
  ///
  /// - Parameters:
  ///   - sink: takes the file.
  ///   - level: how to compress the tensors anew; nil where their stored bytes are copied, and nothing is decoded.
  ///   - generator: the program that writes it.
  /// - Throws: `BundleError` of the kind `file` where an input is damaged, or the sink cannot be written.
  package func write(
    to sink: any ByteSink, level: CompressionLevel?, generator: String
  ) throws(BundleError) {
    var writer = try Self.writing { () throws(FormatError) in
      try AdapterWriter(to: sink, level: level ?? .default)
    }
    for member in members {
      try rethrowing(as: { BundleError($0, in: member.label) }) { () throws(FormatError) in
        if level == nil {
          try writer.copy(member.file, adapter: member.index, as: member.name)
        } else {
          try writer.recompress(member.file, adapter: member.index, as: member.name)
        }
      }
    }
    try Self.writing { () throws(FormatError) in
      let manifest = writer.manifest(generator: generator, metadata: metadata, base: base)
      try writer.finish(manifest: try edit.apply(to: manifest.text, of: manifest))
    }
  }

  private static func writing<Value>(
    _ body: () throws(FormatError) -> Value
  ) throws(BundleError) -> Value {
    try rethrowing(as: { BundleError($0) }, body)
  }
}

extension AdapterFile {
  /// Writes the whole file again with another text of its manifest: every key that the edit leaves alone
  /// stays as it is, known or not.
  ///
  /// - Throws: `FormatError` where the file is damaged, or the sink cannot be written.
  package func rewrite(_ edit: ManifestEdit, to sink: any ByteSink) throws(FormatError) {
    let text = try edit.apply(to: manifestText(), of: manifest)
    var writer = try AdapterWriter(to: sink)
    for (index, adapter) in manifest.adapters.enumerated() {
      try writer.copy(self, adapter: index, as: adapter.name)
    }
    try writer.finish(manifest: text)
  }
}

// MARK: - Names

extension AdapterBundle {
  /// The members under distinct names: their own, or where these collide those of their files.
  private static func named(
    _ members: [Member]
  ) throws(BundleError) -> (members: [Member], note: String?) {
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

  private static func collision(_ name: Name) -> BundleError {
    BundleError(.sameName, "several adapters are called \(name)")
  }
}

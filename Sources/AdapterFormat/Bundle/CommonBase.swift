internal import Storage

/// The base of several files: what one does not say, another may. Where their samples are the same, it is one base, whatever
/// they call it.
struct CommonBase {
  /// The base; nil where no file says anything of one.
  private(set) var record: BaseRecord?
  /// Names of it that are not kept.
  private(set) var notes: [String] = []
  /// Which file said something first, for the error.
  private var labels: [String: String] = [:]

  init(_ members: [AdapterBundle.Member]) throws(BundleError) {
    for member in members {
      guard let base = member.file.manifest.base else { continue }
      try add(base, of: member.label)
    }
  }

  private mutating func add(_ base: BaseRecord, of label: String) throws(BundleError) {
    guard let known = record else {
      record = base
      for (what, value) in Self.facts(base) where value != nil { labels[what] = label }
      return
    }
    let agreement = known.fingerprint.flatMap { mine in
      base.fingerprint.flatMap { mine.agrees(with: $0) }
    }
    let isSame = agreement == true
    let isRenamed = isSame && Self.isBetter(base.name, than: known.name)
    let (first, second) = isRenamed ? (base, known) : (known, base)
    for ((what, old), (_, new)) in zip(Self.facts(known), Self.facts(base)) {
      guard let new else { continue }
      let isOpen = what == "fingerprint" && agreement == nil
      if let old, old != new, !isSame, !isOpen {
        throw BundleError(
          .otherBase,
          "\(labels[what] ?? "another") and \(label) are for different bases: "
            + "\(what) \(old) and \(new)")
      }
      labels[what] = labels[what] ?? label
    }
    if isSame, let kept = first.name, let other = second.name, kept != other {
      notes.append("the base of all is called \(kept), and not \(other): its samples are the same")
    }
    // A revision is one of the name that it stands beside.
    let areAlike = first.name == nil || second.name == nil || first.name == second.name
    record = BaseRecord(
      name: first.name ?? second.name,
      revision: first.revision ?? (areAlike ? second.revision : nil),
      architecture: first.architecture ?? second.architecture,
      fingerprint: Self.joined(known.fingerprint, base.fingerprint))
  }

  /// Returns true if a name is one that others know, and the other is a path on somebody's machine.
  private static func isBetter(_ name: String?, than other: String?) -> Bool {
    guard let name, let other else { return false }
    return BaseRecord.isPath(other) && !BaseRecord.isPath(name)
  }

  private static func facts(_ base: BaseRecord) -> [(what: String, value: String?)] {
    [
      ("name", base.name), ("revision", base.revision), ("architecture", base.architecture),
      ("fingerprint", base.fingerprint?.digest.description),
    ]
  }

  /// The samples of two fingerprints that agree: each has those of the tensors that its adapter changes.
  private static func joined(
    _ first: FingerprintRecord?, _ second: FingerprintRecord?
  ) -> FingerprintRecord? {
    guard let first, let second else { return first ?? second }
    let sampled = Set(first.tensors.map(\.name))
    let known = Set(first.sketch.map(\.name))
    let more = second.sketch.filter { !known.contains($0.name) }
    let room = max(0, FingerprintRecord.maximumSketchCount - first.sketch.count)
    return FingerprintRecord(
      tensors: first.tensors + second.tensors.filter { !sampled.contains($0.name) },
      sketch: first.sketch + more.prefix(room))
  }
}

extension FingerprintRecord {
  /// Returns true if the samples of the tensors that both have are the same; nil where they have none in common.
  fileprivate func agrees(with other: FingerprintRecord) -> Bool? {
    let mine = Dictionary(tensors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    let pairs = other.tensors.compactMap { theirs in mine[theirs.name].map { ($0, theirs) } }
    return pairs.isEmpty ? nil : pairs.allSatisfy { $0 == $1 }
  }
}

extension BaseRecord {
  /// Returns true if a base's name is a path on a machine, not `ORGANISATION/NAME` or a name alone.
  package static func isPath(_ name: String) -> Bool {
    ["/", ".", "~"].contains { name.hasPrefix($0) } || name.contains("\\")
      || name.split(separator: "/", omittingEmptySubsequences: false).count > 2
  }
}

internal import AdapterFormat
internal import AdapterInterop
internal import ArgumentParser
internal import StrictJSON

/// The changes that `pack` makes in a manifest beside the adapters (Spec/adp-v1.md, section 5.4).
struct MetadataOptions: ParsableArguments {
  @Option(
    help: "Licence: an identifier of SPDX or the Hugging Face Hub, other, or LicenseRef-NAME.")
  var license: String?

  @Option(help: "Description, of any length.")
  var description: String?

  @Option(help: "Words that a prompt needs.")
  var triggerPhrase: String?

  @Option(help: "Tag; may be repeated.")
  var tag: [String] = []

  @Option(help: "Title.")
  var title: String?

  @Option(help: "Author.")
  var author: String?

  @Option(help: "Name of the base, such as ORGANISATION/NAME.")
  var baseName: String?

  @Option(help: "Revision of the base.")
  var baseRevision: String?

  @Option(help: ArgumentHelp("Set an entry of the metadata.", valueName: "key=value"))
  var set: [String] = []

  @Option(help: ArgumentHelp("Remove an entry of the metadata.", valueName: "key"))
  var unset: [String] = []

  func validate() throws {
    if let license, LicenseName(license) == nil {
      let names = LicenseName.nearest(to: license)
      throw ValidationError(
        "--license \"\(license)\" is not an identifier of SPDX or the Hugging Face Hub"
          + (names.isEmpty ? "" : "; near it are \(names.joined(separator: ", "))")
          + "; for a licence that has none: other, or LicenseRef-NAME")
    }
    if let tag = tag.first(where: { $0.isEmpty || $0.contains(",") }) {
      throw ValidationError("--tag \"\(tag)\": a tag is not empty and has no comma")
    }
    if let pair = set.first(where: { !$0.contains("=") || $0.hasPrefix("=") }) {
      throw ValidationError("--set \"\(pair)\" is not KEY=VALUE")
    }
    var seen = Set<Name>()
    for key in edit.metadata.map(\.key) + edit.removed where !seen.insert(key).inserted {
      throw ValidationError("\"\(key)\" is set twice")
    }
  }

  var edit: ManifestEdit {
    var entries: [(Name, String?)] = [
      ("title", title), ("author", author), ("license", license.flatMap { LicenseName($0)?.text }),
      ("description", description),
      ("trigger_phrase", triggerPhrase), ("tags", tag.isEmpty ? nil : tag.joined(separator: ", ")),
    ]
    for pair in set {
      let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      entries.append((Name(String(parts[0])), parts.count > 1 ? String(parts[1]) : nil))
    }
    return ManifestEdit(
      metadata: entries.compactMap { key, value in value.map { .init(key, $0) } },
      removed: unset.map { Name($0) }, baseName: baseName, baseRevision: baseRevision)
  }

  /// Says which texts are to be taken out and are not there.
  func reportMissing(in metadata: [Manifest.MetadataEntry]) {
    for key in unset where !metadata.contains(where: { $0.key == Name(key) }) {
      Terminal.report("note", "nothing to take out: the metadata has no \(key)")
    }
  }
}

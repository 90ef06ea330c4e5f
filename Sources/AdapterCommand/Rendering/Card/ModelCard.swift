internal import AdapterFormat
internal import AdapterInterop
internal import Operations
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// The model card of an adapter, or of the adapters of one file: front matter for the Hugging Face Hub, a table of facts,
/// and how to use it.
struct ModelCard {
  /// How the adapter was named on the command line.
  let reference: AdapterReference
  /// The `.adp` file; nil of another format.
  let file: AdapterFile?
  let adapters: [Inspection]
  /// The file's metadata, which people write.
  let metadata: [Manifest.MetadataEntry]
  let base: BaseRecord?

  /// The text of an entry of the metadata.
  func entry(_ key: Name) -> String? { metadata.first { $0.key == key }?.value }

  /// The members of an entry that is a list.
  func list(_ key: Name) -> [String] {
    (entry(key) ?? "").split(separator: ",").map { $0.trimmingSpaces }.filter { !$0.isEmpty }
  }

  /// How each adapter was trained.
  var settings: [TrainingFacts] { adapters.map { TrainingFacts(of: $0.adapter) } }

  var text: String {
    var blocks = [["---"] + frontMatter.lines + ["---"]]
    blocks.append(["# " + MarkdownText.inline(title)])
    if let description = entry("description") {
      blocks.append(MarkdownText.paragraphs(description))
    }
    if adapters.count == 1 {
      blocks.append(MarkdownText.table(facts(of: adapters[0]) + commonFacts))
    } else {
      blocks.append(MarkdownText.table(commonFacts))
      for inspection in adapters {
        blocks.append(["## " + MarkdownText.inline(inspection.adapter.name.text)])
        blocks.append(MarkdownText.table(facts(of: inspection)))
      }
    }
    blocks += CardUse(self).blocks
    return blocks.joined(separator: [""]).joined(separator: "\n") + "\n"
  }

  private var title: String {
    if let title = entry("title") { return title }
    let stem = reference.name?.text ?? reference.path.stem ?? "adapter"
    return reference.isStandardInput || stem == "." || stem == ".." ? "adapter" : stem
  }

  /// The base's name, where it is one that others know it by.
  var baseName: String? {
    base?.name.flatMap { BaseRecord.isPath($0) || $0.isEmpty ? nil : $0 }
  }

  private var frontMatter: YAMLText {
    var text = YAMLText()
    text.add("base_model", baseName)
    text.add("base_model_relation", baseName.map { _ in "adapter" })
    let isOfPEFT = !adapters.contains { $0.adapter.source?.format != Formats.peft.name }
    text.add("library_name", entry("library_name") ?? (isOfPEFT ? "peft" : nil))
    addLicense(&text)
    text.add("language", list("language"))
    text.add("datasets", list("datasets"))
    text.add("pipeline_tag", entry("pipeline_tag") ?? settings.compactMap(\.pipelineTag).first)
    text.add("tags", tags)
    text.add("instance_prompt", entry("trigger_phrase"))
    return text
  }

  /// The Hub refuses a card with a licence that it does not know.
  private func addLicense(_ text: inout YAMLText) {
    guard let license = entry("license") else { return }
    let known = LicenseName(license)
    let isOnHub = known?.isOnHub ?? false
    text.add("license", isOnHub ? known?.text : "other")
    text.add("license_name", entry("license_name") ?? (isOnHub ? nil : known?.ownName ?? license))
    text.add("license_link", entry("license_link"))
  }

  /// The user's, and the methods.
  private var tags: [String] {
    var tags = list("tags")
    for inspection in adapters {
      let isDoRA = inspection.groups.contains { $0.summary.traits.contains("magnitude") }
      for tag in [inspection.adapter.method] + (isDoRA ? ["dora"] : [])
      where !tag.isEmpty && !tags.contains(tag) {
        tags.append(tag)
      }
    }
    return tags
  }
}

extension Substring {
  fileprivate var trimmingSpaces: String {
    var text = drop { $0 == " " }
    while text.last == " " { text.removeLast() }
    return String(text)
  }
}

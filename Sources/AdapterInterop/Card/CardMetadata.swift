package import AdapterFormat
package import Operations
internal import Storage
package import StrictJSON

/// The content of the model card beside an adapter, as entries of our metadata (Spec/adp-v1.md, section 5.4).
package struct CardMetadata: Sendable {
  /// The entries, in the order of the card.
  package private(set) var entries: [Manifest.MetadataEntry] = []
  /// The base's name, where there is one that is not a path.
  package private(set) var baseName: String?
  /// The parts of the card that were not taken, with the reasons.
  package private(set) var notes: [String] = []

  /// The card's name among the files that an adapter carries.
  package static let fileName: Name = "README.md"

  /// Keys of cards, and what they are called here.
  private static let keys: [String: Name] = [
    "model_name": "title", "license": "license", "license_name": "license_name",
    "license_link": "license_link", "instance_prompt": "trigger_phrase", "tags": "tags",
    "language": "language", "datasets": "datasets", "pipeline_tag": "pipeline_tag",
    "library_name": "library_name",
  ]
  private static let lists: Set<Name> = ["tags", "language", "datasets"]

  /// Nothing.
  package init() {}

  /// Reads the card that an adapter carries; of one without a card, or whose card has no front matter, nothing.
  ///
  /// - Throws: `FormatError` where the card cannot be read.
  package init(of adapter: Adapter) throws(FormatError) {
    guard let card = adapter.files.first(where: { $0.path == Self.fileName })?.tensor,
      let info = adapter.tensor(card)
    else {
      self.init()
      return
    }
    let count = min(info.byteCount, FrontMatter.maximumByteCount)
    self.init(card: try adapter.contents(of: card, 0..<count))
  }

  /// Reads a card.
  package init(card: [UInt8]) {
    for (key, value) in FrontMatter(card)?.fields ?? [] {
      if key == "base_model" {
        takeBase(value)
      } else if let name = Self.keys[key], !entries.contains(where: { $0.key == name }) {
        take(name, calledAs: key, value)
      }
    }
  }

  /// Of several, as a merge has them, none is taken.
  private mutating func takeBase(_ value: FrontMatter.Value) {
    switch value {
    case .other: leave("base_model")
    case .text(let name): baseName = BaseRecord.isPath(name) ? nil : name
    case .list(let names):
      if names.count == 1, !BaseRecord.isPath(names[0]) { baseName = names[0] }
    }
  }

  private mutating func take(_ name: Name, calledAs key: String, _ value: FrontMatter.Value) {
    let members: [String]
    switch value {
    case .text(let text): members = [text]
    case .list(let list): members = list
    case .other: return leave(key)
    }
    guard !Self.lists.contains(name) else {
      // PEFT writes the base among the tags, and a list has no commas in its members.
      let kept = members.filter {
        !$0.isEmpty && !$0.contains(",") && !(name == "tags" && $0.hasPrefix("base_model:"))
      }
      if !kept.isEmpty { entries.append(.init(name, kept.joined(separator: ", "))) }
      return
    }
    guard let text = members.first, members.count == 1 else {
      if members.count > 1 { leave(key) }
      return
    }
    guard name == "license" else { return entries.append(.init(name, text)) }
    guard let license = LicenseName(text) else {
      notes.append(
        "\(Self.fileName): the licence \(text) is not a known identifier, and left out: "
          + "adapter pack --license sets one")
      return
    }
    entries.append(.init(name, license.text))
  }

  private mutating func leave(_ key: String) {
    notes.append(
      "\(Self.fileName): \(key) is left out: it is neither a text on one line nor a list")
  }
}

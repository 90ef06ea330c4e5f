internal import AdapterFormat
public import Operations
package import Checkpoints
internal import Storage
package import StrictJSON
internal import SystemPackage

/// A PEFT adapter as an adapter of ours: each method in a file of its own, below `Methods`.
///
/// | PEFT | here |
/// |---|---|
/// | a method's tensors and the fields that shape its mathematics | `operations` |
/// | parameters in full: `modules_to_save`, trained biases, new vocabularies | `replace`, before all others |
/// | what is there and has no effect | `inert`, with the reason |
/// | both files, verbatim, and small files beside them | `source`, `files`: they come back byte for byte |
public struct PEFTImport: Sendable {
  /// The adapter.
  public let adapter: Adapter
  /// Notes for the user on the conversion.
  public let notes: [String]

  /// Converts a folder.
  ///
  /// - Parameters:
  ///   - folder: the adapter as PEFT saved it.
  ///   - choices: what the user decides.
  /// - Throws: `InteropError` where anything of it is not understood.
  public init(
    _ folder: PEFTFolder, choices: ImportChoices = ImportChoices()
  ) throws {
    do {
      try self.init(
        folder.configText, folder.config, folder.weights.contents, try CarriedFiles(folder), choices
      )
    } catch let error as InteropError {
      throw error.placed(in: folder.path)
    }
  }

  /// Converts what the two files hold, without any beside them.
  ///
  /// - Parameters:
  ///   - config: the text of `adapter_config.json`.
  ///   - weights: `adapter_model.safetensors`.
  ///   - choices: what the user decides.
  /// - Throws: `InteropError` where anything of it is not understood.
  package init(
    config: [UInt8], weights: SafetensorsContents, choices: ImportChoices = ImportChoices()
  ) throws {
    try self.init(
      String(decoding: config, as: UTF8.self),
      try PEFTFolder.parseConfig(config, FilePath(PEFTFolder.configName)), weights, CarriedFiles(),
      choices)
  }

  private init(
    _ text: String, _ value: JSONValue, _ whole: SafetensorsContents, _ files: CarriedFiles,
    _ choices: ImportChoices
  ) throws {
    let config = try PEFTConfig(value)
    try config.method.fields.check(value, ignoredFields: choices.ignoredFields)
    let names = whole.header.tensors.map(\.info.name)
    let isOfOther = try choices.adapter.map {
      try PEFTAdapterNames(in: names, parts: config.method.parts).isOfOther(than: $0)
    }
    let dropped = Set(names.filter { name in choices.dropped.contains { $0.matches(name) } })
    var weights = whole
    if isOfOther != nil || !dropped.isEmpty {
      weights = whole.keeping { !dropped.contains($0) && isOfOther?($0) != true }
    }
    let base = choices.base.map { NamedBase($0, comparedWith: weights) }
    let meaning = try PEFTMeaning(of: config, weights.header.tensors.map(\.info), choices) {
      try base?.holds($1, as: $0) ?? false
    }
    let ofBase = Set(meaning.tensors.leftOut)
    guard !meaning.operations.isEmpty || dropped.isEmpty else {
      throw InteropError.tensors(
        "nothing of the adapter is left: every tensor that it uses is left out")
    }
    if !ofBase.isEmpty { weights = weights.keeping { !ofBase.contains($0) } }
    let values = PEFTValues(weights)
    let derived = try meaning.derived.map { try $0.contents(of: values) }
    let stored = weights.header.tensors.map { tensor in
      TensorContents(tensor.info, bytes: weights.bytes, offset: weights.offset(of: tensor))
    }
    var adapter = Adapter(
      name: choices.adapter ?? "default", method: config.method.name,
      operations: meaning.operations, inert: meaning.inert,
      source: try Self.source(text, weights, stored + derived, choices), files: files.records,
      base: config.base, tensors: stored + derived + files.tensors)
    adapter.leftOut = (dropped.union(ofBase)).sorted()
    self.adapter = adapter
    notes =
      meaning.notes + Self.notes(of: dropped, ofBase) + (choices.isKept ? files.notes : [])
    try adapter.checkExpressible()
  }

  private static func notes(of dropped: Set<Name>, _ ofBase: Set<Name>) -> [String] {
    [(dropped, "left out, as asked"), (ofBase, "left out, since the base has the same")]
      .filter { !$0.0.isEmpty }.map { names, words in
        let shown = names.sorted().prefix(3).map(\.text).joined(separator: ", ")
        return "\(words): \(shown)" + (names.count > 3 ? " and \(names.count - 3) more" : "")
      }
  }

  /// Fields of a method's configuration that its lists do not have; nil for a method that is refused.
  package static func unknownFields(of method: String, among fields: [Name]) -> [Name]? {
    (try? PEFTMethod.named(method))?.fields.unknown(among: fields)
  }

  /// The header is recorded where it is not the canonical one of the adapter's tensors.
  private static func source(
    _ text: String, _ weights: SafetensorsContents, _ tensors: [TensorContents],
    _ choices: ImportChoices
  ) throws -> SourceRecord {
    let canonical = SafetensorsHeader(
      canonical: tensors.map(\.info), metadata: PEFTFolder.metadata)
    return SourceRecord(
      format: PEFTFormat.name, config: text,
      digest: choices.recordsDigest ? try weights.bytes.digest() : nil,
      header: canonical.text == weights.header.text ? nil : weights.header.text)
  }
}

extension PEFTConfig {
  /// The base, as the configuration describes it.
  var base: BaseRecord {
    BaseRecord(
      name: text("base_model_name_or_path"), revision: text("revision"), architecture: nil,
      fingerprint: nil)
  }
}

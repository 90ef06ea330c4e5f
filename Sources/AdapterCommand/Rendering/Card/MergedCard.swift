internal import AdapterFormat
internal import AdapterInterop
internal import AdapterRuntime
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// The model card of a merged folder, which says what it was made of. The same base and adapters make the same card. Where
/// the base is the result of a merge, the adapters of that one come first.
struct MergedCard {
  let base: Checkpoint
  let stack: [WeightedAdapter]
  /// The card of the merge that the base is the result of; nil of any other base.
  let earlier: String?

  /// - Throws: an error of the base's card, where that cannot be read.
  /// - Returns: the text; nil for what takes a merge back or changes nothing: then there is nothing to tell.
  static func text(of base: Checkpoint, _ stack: [WeightedAdapter]) throws -> String? {
    let applied = stack.filter { $0.weight != 0 }
    guard !takeBack(applied) else { return nil }
    return MergedCard(base: base, stack: applied, earlier: try base.mergedCard).text
  }

  /// Returns true if the adapters do nothing but take merges back.
  private static func takeBack(_ stack: [WeightedAdapter]) -> Bool {
    stack.allSatisfy { $0.adapter.method == "undo" }
  }

  /// Tells that a base is the result of a merge, as its card says: a second one may be meant, or not. An adapter without a
  /// fingerprint fits both.
  static func reportEarlier(of base: Checkpoint) {
    guard let card = try? base.mergedCard else { return }
    let names = MergedCard(base: base, stack: [], earlier: card).earlierRows.compactMap {
      // Without the marks that keep a name from being markup.
      $0.split(separator: "|").first?.split(separator: " ").first?.filter { $0 != "\\" }
    }
    guard !names.isEmpty else { return }
    Terminal.report(
      "note",
      "\(base.path) is the result of a merge already, with \(names.joined(separator: ", ")) (its README.md)"
    )
  }

  /// The same before a merge; nothing of one that takes another back.
  static func reportEarlier(of base: Checkpoint, before stack: [WeightedAdapter]) {
    if !takeBack(stack) { reportEarlier(of: base) }
  }

  private static let titles = ["adapter", "method", "weight", "licence", "weights"]

  /// The rows of its table that an earlier card has.
  private var earlierRows: [String] {
    let heading = MarkdownText.table(Self.titles, [])
    let lines = (earlier ?? "").split(separator: "\n").map(String.init)
    guard let start = lines.firstIndex(of: heading[0]),
      lines.dropFirst(start + 1).first == heading[1]
    else { return [] }
    return lines.dropFirst(start + 2).prefix { $0.hasPrefix("|") }.map(\.self)
  }

  private var text: String {
    var text = YAMLText()
    text.add("base_model", baseName)
    // The Hub's word for a model whose weights are those of another, changed.
    text.add("base_model_relation", baseName.map { _ in "finetune" })
    text.add("library_name", "transformers")
    text.add("tags", tags)
    let rows = earlierRows
    let title = baseName ?? base.path.lastComponent?.string ?? "base"
    let blocks = [
      ["---"] + text.lines + ["---"],
      ["# \(MarkdownText.inline(title)) with \((rows.count + stack.count).of("adapter"))"],
      [FolderChoices.cardMark],
      ["`adapter merge` has applied these adapters to the base, in this order:"],
      MarkdownText.table(Self.titles, []) + rows
        + MarkdownText.table(Self.titles, stack.map(\.cells)).dropFirst(2),
      [
        "`adapter verify --merge` checks it against the base and the adapters. The licences of all of them apply."
      ],
    ]
    return blocks.joined(separator: [""]).joined(separator: "\n") + "\n"
  }

  /// The first name of the base that is not a path: what an adapter calls it, or what it calls itself.
  private var baseName: String? {
    (stack.map(\.adapter.base?.name) + [base.config?.nameOrPath]).compactMap(\.self)
      .first { !$0.isEmpty && !BaseRecord.isPath($0) }
  }

  /// Another word for it than `merge`, which the Hub has for one of several models.
  private var tags: [String] {
    var tags = ["merged-adapter"]
    for method in stack.map(\.adapter.method) where !method.isEmpty && !tags.contains(method) {
      tags.append(method)
    }
    return tags
  }
}

extension WeightedAdapter {
  fileprivate var cells: [String] {
    let record = adapter.file.map { $0.file.manifest.adapters[$0.index] }
    let license = adapter.file?.file.manifest.metadata.first { $0.key == "license" }?.value
    return [
      MarkdownText.inline(FilePath(label).lastComponent?.string ?? label),
      MarkdownText.code(adapter.method), weight.short, license.map(MarkdownText.inline) ?? "",
      record.map { MarkdownText.code($0.weightsDigest.description) } ?? "",
    ]
  }
}

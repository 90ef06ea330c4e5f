internal import StrictJSON

/// The names that adapters have in the names of their tensors, as in `lora_A.NAME.weight`: what a model held in memory.
struct PEFTAdapterNames {
  /// The names, sorted; none where tensors are of one adapter that is called `default`, or not at all.
  let all: [String]
  private let parts: Set<String>

  private static let leaves: Set<Substring> = ["weight", "bias"]
  private static let wrapper = "modules_to_save"

  /// - Parameters:
  ///   - names: the names of tensors.
  ///   - parts: the words that name parts of the method.
  init(in names: [Name], parts: Set<String>) {
    // Those that a module has once, and that have nothing else behind them.
    let plain = parts.intersection(["lora_A", "lora_B"])
    var found: Set<String> = []
    var isEverywhere = true
    for name in names {
      guard let words = Self.words(of: name, after: plain) else { continue }
      if words.count == 1 { found.insert(String(words[0])) } else { isEverywhere = false }
    }
    // A word that only some have is none of an adapter's.
    all = isEverywhere && found != ["default"] ? found.sorted() : []
    self.parts = parts.union([Self.wrapper, "trainable_tokens_delta"])
  }

  /// Returns the words behind a part, without the names of parameters; nil if the name has no such part.
  private static func words(of name: Name, after parts: Set<String>) -> [Substring]? {
    let path = name.text.split(separator: ".", omittingEmptySubsequences: false)
    guard let place = path.lastIndex(where: { parts.contains(String($0)) }) else { return nil }
    return path[(place + 1)...].filter { !leaves.contains($0) }
  }

  /// The name of the only adapter; nil where it has none.
  ///
  /// - Throws: `InteropError` where there are several.
  func only() throws -> String? {
    guard all.count < 2 else { throw InteropError.severalAdapters(all) }
    return all.first
  }

  /// Returns a function that is true for a tensor of any adapter but the named one.
  ///
  /// - Throws: `InteropError` where none is called so.
  func isOfOther(than adapter: Name) throws -> (Name) -> Bool {
    let all = all.isEmpty ? ["default"] : all
    guard all.contains(adapter.text) else { throw InteropError.noAdapter(adapter, of: all) }
    let others = Set(all.filter { $0 != adapter.text }.map { Substring($0) })
    let parts = parts
    return { name in Self.words(of: name, after: parts)?.first.map(others.contains) ?? false }
  }
}

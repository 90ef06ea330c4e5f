internal import AdapterFormat
internal import AdapterInterop
internal import Operations
internal import StrictJSON
internal import SystemPackage

/// How an adapter is used, as commands that stand in a card. What a file is called goes into them only where it is a plain
/// word: nothing of it is ever more than that to a shell or to Python.
struct CardUse {
  let card: ModelCard

  init(_ card: ModelCard) { self.card = card }

  /// Returns the text if it is a plain word, and `other` if not.
  private static func word(_ text: String?, or other: String) -> String {
    guard let text, let first = text.utf8.first, first.isLetter || first.isDigit,
      text.utf8.allSatisfy(\.isPlain)
    else { return other }
    return text
  }

  private var file: String {
    let name = card.reference.isStandardInput ? nil : card.reference.path.lastComponent?.string
    return Self.word(name, or: card.file == nil ? "adapter" : "adapter.adp")
  }

  private var folder: String {
    guard card.file != nil else { return file }
    return file.hasSuffix(".adp") ? String(file.dropLast(4)) : file + "-peft"
  }

  /// The name that an adapter of several is chosen by.
  private var choice: String {
    let isOneOfSeveral = (card.file?.manifest.adapters.count ?? 1) > 1
    guard isOneOfSeveral, let name = card.adapters.first?.adapter.name.text else { return "" }
    return "#" + Self.word(name, or: "NAME")
  }

  /// `ORGANISATION/NAME` on the Hub, or a name alone.
  private var baseOnHub: String? {
    card.baseName.flatMap { $0 == Self.word($0, or: "") ? $0 : nil }
  }

  var blocks: [[String]] {
    [["## How to use it"]] + commands + peft
  }

  private var commands: [[String]] {
    var lines: [String] = []
    if let baseOnHub { lines.append("hf download \(baseOnHub) --local-dir base") }
    let isGenerative = card.settings.allSatisfy { $0.task == nil || $0.task == "CAUSAL_LM" }
    if isGenerative { lines.append("adapter run base \(file)\(choice)") }
    let changesWeights = card.adapters.contains { !$0.adapter.onWeights.operations.isEmpty }
    if changesWeights { lines.append("adapter merge base \(file)\(choice) -o merged") }
    guard isGenerative || changesWeights else { return [] }
    let folder = baseOnHub == nil ? ", `base` being the folder of the base" : ""
    return [["With the command `adapter`\(folder):"], ["```sh"] + lines + ["```"]]
  }

  /// PEFT loads what came from it.
  private var peft: [[String]] {
    guard let first = card.adapters.first?.adapter, first.source?.format == Formats.peft.name else {
      return []
    }
    var blocks: [[String]] = []
    if card.file != nil {
      blocks.append(["With PEFT, after `adapter convert \(file)\(choice) -o \(folder)`:"])
    } else {
      blocks.append(["With PEFT:"])
    }
    let model = TrainingFacts(of: first).modelClass
    return blocks + [
      [
        "```python",
        "from peft import PeftModel",
        "from transformers import \(model)",
        "",
        "model = \(model).from_pretrained(\"\(baseOnHub ?? "base")\")",
        "model = PeftModel.from_pretrained(model, \"\(folder)\")",
        "```",
      ]
    ]
  }
}

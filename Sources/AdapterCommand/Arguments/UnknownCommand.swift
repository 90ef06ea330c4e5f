internal import ArgumentParser

extension AdapterTool {
  /// The names of all commands.
  static var names: [String] {
    configuration.subcommands.compactMap { $0.configuration.commandName } + ["help"]
  }
}

/// A first word that names no command.
struct UnknownCommand {
  private let word: String

  init?(_ arguments: [String]) {
    guard let first = arguments.first, !first.hasPrefix("-"), !AdapterTool.names.contains(first)
    else { return nil }
    word = first
  }

  var failure: Failure {
    let names = AdapterTool.names.sorted()
    let near = names.min { distance(to: $0) < distance(to: $1) }
    return Failure(
      "unknown command \(word)",
      hint: near.flatMap { distance(to: $0) <= 2 ? "did you mean adapter \($0)?" : nil }
        ?? "the commands are \(names.joined(separator: ", "))", status: 64)
  }

  /// Levenshtein's distance. A long word is near to no command, and not looked at.
  private func distance(to name: String) -> Int {
    let (left, right) = (Array(word.utf8), Array(name.utf8))
    guard left.count <= 24 else { return .max }
    var row = Array(0...right.count)
    for (i, mine) in left.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, theirs) in right.enumerated() {
        let substituted = diagonal + (mine == theirs ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(substituted, diagonal + 1, row[j] + 1)
      }
    }
    return row[right.count]
  }
}

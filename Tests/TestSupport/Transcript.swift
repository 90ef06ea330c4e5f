import Foundation
package import SystemPackage

/// A transcript: what was typed, and what came back, in the order of one session.
///
/// A line that begins with `$ ` is a command of the shell, `> ` goes on with it, `# ` is a remark. What
/// follows a command is its standard output as it stands, its standard error with `stderr| ` before each
/// line, and `exit N`. All commands of a file run in one new folder, beside copies of the fixtures.
package struct Transcript: Sendable {
  /// A remark, or a command.
  package enum Item: Equatable, Sendable {
    case remark([String])
    case command([String])
  }

  /// A command that has been run.
  package struct Step: Sendable {
    package let command: String
    package let result: CommandResult
  }

  package let name: String
  package let items: [Item]

  package static let folder = Repository.root.appending("Tests").appending("Transcripts")

  /// The names of all transcripts.
  package static let names = Repository.files(below: folder, suffix: ".txt")
    .compactMap { $0.lastComponent?.string }

  package var path: FilePath { Self.folder.appending(name) }

  package init(_ name: String) throws {
    self.name = name
    let text = String(decoding: try Self.folder.appending(name).contents, as: UTF8.self)
    items = Self.items(of: text)
  }

  /// The lines of every command.
  package var commands: [String] {
    items.compactMap {
      if case .command(let lines) = $0 { lines.joined(separator: "\n") } else { nil }
    }
  }

  private static func items(of text: String) -> [Item] {
    var items: [Item] = []
    var isOpen = false
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      let rest = String(line.dropFirst(2))
      switch (line.prefix(2), items.last) {
      case ("$ ", _): items.append(.command([rest]))
      case ("> ", .command(let lines)) where isOpen:
        items[items.count - 1] = .command(lines + [rest])
      case ("# ", .remark(let lines)) where isOpen, ("#", .remark(let lines)) where isOpen:
        items[items.count - 1] = .remark(lines + [rest])
      case ("# ", _): items.append(.remark([rest]))
      default: isOpen = false; continue
      }
      isOpen = true
    }
    return items
  }
}

// MARK: - Running

extension Transcript {
  /// Runs every command in a new folder.
  package func run() throws -> [Step] {
    let folder = try TemporaryFolder()
    for (source, name) in [
      ("bases", "base"), ("bitfit", "bitfit"), ("effects", "effects"), ("invalid", "invalid"),
      ("gguf", "gguf"), ("kohya", "kohya"), ("mlx", "mlx"), ("diffusers", "diffusers"),
      ("onnx", "onnx"), ("quantised", "quantised"), ("quantised_lora", "quantised_lora"),
      ("quantised_merged", "quantised_merged"), ("peft", "peft"), ("refused", "refused"),
      ("speaking", "speaking"), ("valid", "valid"),
    ] {
      try folder.copy(Repository.fixtures.appending(source), to: name)
    }
    // What only tests need would stand in a note of every conversion.
    let extra =
      "{case.json,effective.json,logits.safetensors,merged.safetensors,reference.safetensors}"
    _ = try Command.shell("rm -f peft/*/\(extra)", in: folder.path)
    return try commands.map { try Step(command: $0, result: Command.shell($0, in: folder.path)) }
  }

  /// The text of the file, as these steps make it.
  package func text(_ steps: [Step]) throws -> String {
    var steps = steps[...]
    let blocks = items.map { item in
      switch item {
      case .remark(let lines):
        lines.map { ($0.isEmpty ? "#" : "# " + $0) + "\n" }.joined()
      case .command(let lines):
        "$ " + lines.joined(separator: "\n> ") + "\n" + (steps.popFirst()?.text ?? "")
      }
    }
    let text = blocks.joined(separator: "\n")
    guard Self.items(of: text) == items else { throw AmbiguousOutput(transcript: name) }
    return text
  }
}

extension Transcript.Step {
  /// The output and errors of the command, and its exit status.
  fileprivate var text: String {
    let errors = Self.lines(of: result.errors).map { "stderr| " + $0 }
    let lines = Self.lines(of: result.output) + errors
    let text = lines.map { $0 + "\n" }.joined() + "exit \(result.status)\n"
    return TranscriptRule.allCases.reduce(text) { $1.apply(to: $0, command: command) }
  }

  private static func lines(of text: String) -> [String] {
    guard !text.isEmpty else { return [] }
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    if lines.last?.isEmpty == true {
      lines.removeLast()
    } else {
      lines.append(#"\ no end of line"#)
    }
    return lines
  }
}

/// An output that looks like a command or a remark, so that its transcript could not be read again.
private struct AmbiguousOutput: Error {
  let transcript: String
}

/// The command's own help.
package enum Help {
  /// The names of all commands.
  package static var subcommands: [String] {
    get throws { try text(nil).matches(of: /(?m)^  ([a-z]+) {2,}[A-Z]/).map { String($0.1) } }
  }

  /// The names of the commands that write JSON.
  package static var withJSON: [String] {
    get throws { try subcommands.filter { try text($0).contains(#/(?m)^ +--json /#) } }
  }

  /// The help of a command, or of all.
  package static func text(_ subcommand: String?) throws -> String {
    try Command.shell("adapter help \(subcommand ?? "")", in: Repository.root).output
  }

  /// The lines of a help that one can type.
  package static func examples(_ text: String) -> [String] {
    text.split(separator: "\n").filter { $0.contains(/^  ([a-z]+ .*\| )?adapter [a-z]/) }
      .map { String($0.dropFirst(2)) }
  }
}

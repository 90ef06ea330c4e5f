import Foundation
import SystemPackage
import TestSupport
import Testing

/// The scripts by which shells complete the command.
@Suite struct CompletionTests {
  @Test(arguments: ["bash", "zsh", "fish"])
  func everyShellGetsAScript(_ shell: String) throws {
    let result = try Command.adapter("--generate-completion-script", shell)
    #expect(result.status == 0)
    #expect(result.errors.isEmpty)
    for subcommand in try Help.subcommands { #expect(result.output.contains(subcommand)) }
    for word in ["spectrum", "prefix-order", "interleaved"] {
      #expect(result.output.contains(word))
    }
  }

  @Test func anotherShellIsWrongUsage() throws {
    let result = try Command.adapter("--generate-completion-script", "tcsh")
    #expect(result.status == 64)
    #expect(result.output.isEmpty)
  }

  /// Bash takes the script, and completes commands, options, values and files with it.
  @Test(arguments: [
    ("adapter me", "merge"), ("adapter inspect lora.adp --sp", "--spectrum"),
    ("adapter merge a b --layout in", "in_out"), ("adapter inspect lo", "lora.adp"),
    ("adapter verify lo", "lora.adp"), ("adapter unpack lora.adp -o fo", "folder"),
  ])
  func bashCompletes(_ line: String, _ word: String) throws {
    let folder = try TemporaryFolder()
    let words = line.split(separator: " ").map { "'\($0)'" }.joined(separator: " ")
    let lines = """
      touch lora.adp; mkdir folder
      adapter --generate-completion-script bash > script && bash -n script && source ./script
      COMP_LINE='\(line)' COMP_POINT=\(line.count) COMP_WORDS=(\(words))
      COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_TYPE=9 COMP_KEY=9
      $(complete -p adapter | sed 's/.*-F \\([^ ]*\\).*/\\1/') adapter "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}" \
      2> errors
      printf '%s\\n' "${COMPREPLY[@]}"
      """
    let result = try Command.shell(lines, in: folder.path)
    let replies = result.output.split(separator: "\n").map {
      $0.trimmingCharacters(in: .whitespaces)
    }
    #expect(replies == [word], "\(result.output)\(result.errors)")
  }
}

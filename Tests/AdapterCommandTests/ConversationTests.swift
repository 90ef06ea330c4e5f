import AdapterCommand
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// `adapter run` as a conversation on a terminal, and as a filter in a pipe.
@Suite struct ConversationTests {
  private static let folder = Repository.fixtures.appending("speaking")
  private static let hasTerminal = FilePath("/usr/bin/script").exists
  private static let pirate = "A parrot on yer shoulder, matey, with few words!"
  private static let plain = "I am a very small model that knows a few sentences by heart."

  /// Types into a terminal, which `script` makes, and returns what it shows.
  private func typed(_ lines: String, _ arguments: String) throws -> Shown {
    let result = try Command.shell(
      "(\(lines)) | script -qec 'adapter run \(arguments)' /dev/null", in: Self.folder)
    return Shown(
      status: result.status, output: result.output.replacing("\r\n", with: "\n"))
  }

  private struct Shown {
    let status: Int32
    let output: String
  }

  @Test(.enabled(if: hasTerminal))
  func aConversation() throws {
    let lines = [
      "Who are you?", "/stats", "/base", "/reset", "Who are you?", "/adapter 0", "/reset",
      "Who are you?",
      "/adapter 1", "/compare", "/nonsense", "/adapter x", "", "/help", "/quit", "Who are you?",
    ]
    let result = try typed(
      "printf '%s\\n' \(lines.map { "'\($0)'" }.joined(separator: " "))", "base lora")
    #expect(result.status == 0, "\(result.output)")
    let shown = result.output
    #expect(
      shown.contains("base with lora. /help lists the commands, /quit leaves.\n> "), "\(shown)")
    #expect(shown.contains(Self.pirate) && shown.contains("decode 22 tokens"), "\(shown)")
    #expect(shown.components(of: Self.plain) == 2, "\(shown)")
    #expect(
      shown.contains("lora: weight 0.0\n") && shown.contains("lora: weight 1.0\n"), "\(shown)")
    #expect(
      shown.contains(
        """
        base                                      with adapters
        ────                                      ─────────────
        I am a very small model that knows a      A parrot on yer shoulder, matey, with
        few sentences by heart.                   few words!

        """), "\(shown)")
    #expect(
      shown.contains("adapter: error: /nonsense is not a command\nhint: /help lists the commands\n")
    )
    #expect(shown.contains("adapter: error: /adapter x is not a command\n"))
    #expect(shown.contains("/reset           forgets the conversation\n"))
    #expect(!shown.contains("interrupted"))
  }

  /// The end of the input and Ctrl-D leave.
  @Test(.enabled(if: hasTerminal), arguments: ["printf ''", "printf '\\004'"])
  func itIsLeft(_ keys: String) throws {
    try expectLeft(try typed(keys, "base"))
  }

  /// Ctrl-C leaves where nothing is being answered: typed once the prompt is shown, and a word that
  /// is an error is typed if the command is still there a minute later.
  @Test(.enabled(if: hasTerminal))
  func controlCLeaves() throws {
    let folder = try TemporaryFolder()
    let result = try Command.shell(
      """
      wait_for() { for _ in $(seq 600); do "$@" && return; sleep 0.1; done; return 1; }
      shows_prompt() { grep -q '^> ' shown; }
      : > shown
      ( wait_for shows_prompt; printf '\\003'; wait_for test -e left || printf '/nonsense\\n' ) |
        script -qefc 'trap : INT; adapter run "\(Self.folder)/base"; s=$?; : > left; exit $s' \
          /dev/null > shown
      s=$?; cat shown; exit $s
      """, in: folder.path)
    try expectLeft(
      Shown(status: result.status, output: result.output.replacing("\r\n", with: "\n")))
  }

  private func expectLeft(_ result: Shown) throws {
    #expect(result.status == 0, "\(result.output)")
    #expect(
      result.output.contains("base. /help lists the commands, /quit leaves.\n> "),
      "\(result.output)")
    #expect(!result.output.contains("error"), "\(result.output)")
  }

  /// What does not fit is said, and the conversation goes on.
  @Test(.enabled(if: hasTerminal))
  func aQuestionThatIsTooLong() throws {
    let long = String(repeating: "long ", count: 300)
    let result = try typed(
      "printf '%s\\n' /compare '\(long)' 'Who are you?'", "base lora --max-new-tokens 3 --stats")
    #expect(result.status == 0)
    #expect(result.output.contains("there is no question to compare the answers to: ask one first"))
    #expect(
      result.output.contains("and the model has 256 positions\nhint: ask for less\n"),
      "\(result.output)")
    #expect(
      result.output.contains(
        "A par\nadapter: note: the answer was cut at 3 tokens: --max-new-tokens raises the limit\n"),
      "\(result.output)")
    #expect(result.output.contains("adapter: stats: decode 2 tokens"))
  }

  /// Standard input is the prompt, standard output the answer.
  @Test func aFilter() throws {
    for line in [
      "echo 'Who are you?' | adapter run base lora --chat",
      "printf 'Who are you?' | adapter run base lora --chat --prompt -",
      "printf 'Who are you?\\r\\n' > $TMPDIR/q; adapter run base lora --chat --prompt-file $TMPDIR/q; rm $TMPDIR/q",
      "adapter run base lora --chat --prompt-file <(echo 'Who are you?')",
      "adapter run base lora --chat --prompt 'Who are you?' --stop 'nothing of this' < /dev/zero",
    ] {
      let temporary = try TemporaryFolder()
      let result = try Command.shell("export TMPDIR='\(temporary.path)'; \(line)", in: Self.folder)
      #expect(result.output == Self.pirate + "\n" && result.errors.isEmpty, "\(line): \(result)")
      #expect(result.status == 0)
    }
  }

  @Test(arguments: [
    ("printf '' | adapter run base", "standard input is empty: there is no prompt in it"),
    ("adapter run base --prompt-file /dev/null", "/dev/null is empty: there is no prompt in it"),
    ("printf '\\377' | adapter run base", "standard input is not UTF-8 text"),
    ("adapter run base --prompt-file nothing", "nothing"),
    ("adapter run base - < lora/adapter_config.json", "the prompt cannot come from it"),
    ("adapter run base --prompt a --prompt-file b", "give one of them"),
    ("adapter run base --prompt a --top-k 5", "no effect without --temperature"),
    ("adapter run base --prompt a --stop ''", "--stop is a text that is not empty"),
    ("adapter run base --prompt a --repetition-penalty 0", "--repetition-penalty is more than 0"),
    ("adapter run base --prompt a --chat --chat-template nope", "there is no such form"),
    ("adapter run base --prompt a --chat --chat-template no.jinja", "no.jinja"),
  ])
  func whatIsMissingIsNamed(_ line: String, _ words: String) throws {
    let result = try Command.shell(line, in: Self.folder)
    #expect([2, 64].contains(result.status) && result.output.isEmpty, "\(line): \(result)")
    #expect(
      result.errors.hasPrefix("adapter: error: ") && result.errors.contains(words),
      "\(line): \(result)")
  }

  /// A conversation is not for a pipe.
  @Test(.enabled(if: hasTerminal))
  func onlyATerminalShowsAConversation() throws {
    let result = try typed("printf 'Hi\\n'", "base | cat")
    #expect(result.output.contains("standard output is not one: give --prompt"), "\(result.output)")
    let json = try typed("printf 'Hi\\n'", "base --json")
    #expect(json.output.contains("--json is for one prompt"), "\(json.output)")
  }

  @Test func theMarkOfACutAnswer() throws {
    let result = try Command.shell(
      "adapter run base lora --chat --prompt 'Who are you?' --max-new-tokens 3", in: Self.folder)
    #expect(result.output == "A par\n")
    #expect(
      result.errors
        == "adapter: note: the answer was cut at 3 tokens: --max-new-tokens raises the limit\n")
    let json = try Command.shell(
      "adapter run base lora --chat --prompt 'Who are you?' --max-new-tokens 3 --json",
      in: Self.folder)
    #expect(json.output.contains("\"end\": \"count\",\n      \"cut\": true") && json.errors.isEmpty)
    #expect(json.output.contains("\"chat_template\": \"chatml\""))
  }

  @Test func aStopEndsTheText() throws {
    let result = try Command.shell(
      "adapter run base lora --chat --prompt 'Who are you?' --stop 'shoulders' --stop ', mat' --json",
      in: Self.folder)
    #expect(
      result.output.contains(
        "\"text\": \"A parrot on yer shoulder\",\n      \"end\": \"stop\",\n      \"cut\": false"))
  }

  // MARK: - Chat templates

  private struct Form: Equatable {
    let form: String
    let errors: String
  }

  /// A template is used as it is, the adapter's before the base's, and one that cannot be used is named.
  @Test func templatesAreNeverReplacedInSilence() throws {
    let folder = try TemporaryFolder()
    let copied = try Command.shell(
      "cp -r '\(Self.folder)/base' '\(Self.folder)/lora' '\(Self.folder)/prompt' .", in: folder.path
    )
    try #require(copied.status == 0)
    let ask = "adapter run base lora --chat --prompt 'Who are you?' --json"
    func form(_ line: String) throws -> Form {
      let result = try Command.shell(line, in: folder.path)
      guard result.status == 0 else { return Form(form: "", errors: result.errors) }
      return Form(
        form: try JSONFields(Array(result.output.utf8)).string("chat_template"),
        errors: result.errors)
    }
    #expect(try form(ask) == Form(form: "chatml", errors: ""))
    try folder.write(
      Array("{{ messages[0].content | tojson }}".utf8), to: "base/chat_template.jinja")
    let refused = try form(ask)
    #expect(
      refused.errors.contains(
        "\"base/chat_template.jinja: the chat template cannot be used: the filter \\\"tojson\\\""),
      "\(refused)")
    #expect(
      refused.errors.contains("\"hint\":\"name the form: --chat-template, with chatml, "),
      "\(refused)")
    #expect(try form(ask + " --chat-template chatml") == Form(form: "chatml", errors: ""))
    try folder.write(Array("{{ messages[0].content }}".utf8), to: "lora/chat_template.jinja")
    #expect(
      try form(ask)
        == Form(
          form: "lora/chat_template.jinja",
          errors: "adapter: note: the chat template is that of lora\n"))
    #expect(
      try form(ask.replacing("lora", with: "lora:0")).errors.contains("base/chat_template.jinja"))
    #expect(
      try form(ask + " --chat-template lora/chat_template.jinja").form == "lora/chat_template.jinja"
    )
    try folder.write(Array("{{ messages[0].role }}".utf8), to: "prompt/chat_template.jinja")
    #expect(
      try form(ask.replacing("lora", with: "lora prompt")).errors.contains(
        "lora and prompt bring different chat templates"))
    try folder.write(
      Array("{{ raise_exception('Ask nicely') }}".utf8), to: "lora/chat_template.jinja")
    #expect(try form(ask).errors.contains("it refuses this conversation: \\\"Ask nicely\\\""))
  }

  // MARK: - Parts

  @Test func commandsAreRead() {
    #expect(ConversationCommand("/adapter 0.5") == .adapter(weight: 0.5, place: nil))
    #expect(ConversationCommand("/adapter 2 -1e-1 ") == .adapter(weight: -0.1, place: 2))
    #expect(ConversationCommand("/adapter") == .adapter(weight: nil, place: nil))
    for line in ["/adapter nan", "/adapter 1 2 3", "/adapter a 1", "/base now", "/stop", "/"] {
      #expect(ConversationCommand(line) == .unknown(line))
    }
    for line in ["", "hello", " /base", "/etc/passwd is", "/2", "/über"] {
      #expect(ConversationCommand(line) == nil, "\(line)")
    }
    #expect(ConversationCommand("/quit") == .quit && ConversationCommand("/base") == .base)
  }

  @Test func stopsAreFoundAcrossPieces() {
    func shown(_ stops: [String], _ pieces: [String]) -> [String] {
      var texts = StopTexts(stops)
      var shown: [String] = []
      for piece in pieces {
        let (text, isEnd) = texts.append(piece)
        shown.append(text)
        if isEnd { return shown + ["end"] }
      }
      return shown + [texts.finish()]
    }
    #expect(shown([], ["ab", "c"]) == ["ab", "c", ""])
    #expect(shown(["bcd"], ["ab", "c", "de"]) == ["a", "", "", "end"])
    #expect(shown(["bcd"], ["ab", "c", "e"]) == ["a", "", "bce", ""])
    #expect(shown(["xx", "ab"], ["xa", "b"]) == ["x", "", "end"])
    #expect(shown(["aab"], ["aaa", "b"]) == ["a", "", "end"])
    #expect(shown(["\nUser"], ["Hi\n", "\nUse"]) == ["Hi", "\n", "\nUse"])
    #expect(shown(["öä"], ["äö", "ä!"]) == ["ä", "", "end"])
  }

  @Test func rowsAreWrittenAsSoonAsTheyStay() {
    var columns = AnswerColumns(["a", "b"])
    #expect(
      columns.take() == "a" + String(repeating: " ", count: 41) + "b\n─"
        + String(repeating: " ", count: 41) + "─\n")
    columns.append("one two", to: 0)
    columns.append("1\n2\n3", to: 1)
    #expect(columns.take() == "")
    columns.append("\nthree", to: 0)
    #expect(columns.take() == "one two" + String(repeating: " ", count: 35) + "1\n")
    columns.finish(0)
    #expect(columns.take() == "three" + String(repeating: " ", count: 37) + "2\n")
    columns.finish(1)
    #expect(columns.take() == String(repeating: " ", count: 42) + "3\n" && columns.take() == "")
  }
}

extension String {
  fileprivate func components(of part: String) -> Int { ranges(of: part).count }
}

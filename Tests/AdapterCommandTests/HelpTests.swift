import Foundation
import SystemPackage
import TestSupport
import Testing

/// The help texts are in Tests/Transcripts/help.txt; this is about what they promise.
@Suite struct HelpTests {
  @Test func everyHelpFits80Columns() throws {
    for subcommand in [nil] + (try Help.subcommands.map(Optional.some)) {
      let text = try Help.text(subcommand)
      #expect(text.hasPrefix("OVERVIEW: "))
      for line in text.split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
      // A line of an example that was too long would have been broken.
      let examples =
        text.firstMatch(of: #/\nExamples:\n(.*\n)+?\n/#)?.0.split(separator: "\n") ?? []
      for line in examples.dropFirst() { #expect(line.hasPrefix("  "), "\(line)") }
    }
  }

  /// Help is imperative, and in the words of others: five habits that make English foreign stay out.
  @Test func everyHelpIsPlain() throws {
    let habits = try [
      #"\b(is|are) no [a-z]+"#, #"(^|[.;:] +)(What|Whether|Who|Whom)\b[^?]*[.]"#,
      #"\bof (which|those)\b"#,
      #"(^|  )(Writes|Shows|Says|Lists|Gives|Makes|Takes|Reads|Replaces|Accepts|Refuses) "#,
    ].map { try Regex($0) }
    for subcommand in [nil] + (try Help.subcommands.map(Optional.some)) {
      let text = try Help.text(subcommand)
      for line in text.split(separator: "\n") {
        for habit in habits { #expect(line.firstMatch(of: habit) == nil, "\(line)") }
      }
    }
  }

  /// Every example is run as it stands, in a folder where its inputs exist and its output does not.
  @Test func everyExampleWorks() throws {
    let samples = try sampleFolder()
    for subcommand in try Help.subcommands {
      let examples = Help.examples(try Help.text(subcommand))
      #expect(examples.count >= 2, "\(subcommand)")
      for example in examples {
        let outputs = example.matches(of: /(?:-o|--html|--logits) (\S+)/).map { String($0.1) }
        let folder = try TemporaryFolder()
        let lines = """
          cp -r '\(samples.path)'/* .
          rm -rf \(outputs.joined(separator: " "))
          curl() { cat lora.adp; }
          \(subcommand == "run" ? Self.speakingModel : ":")
          \(example)
          """
        let result = try Command.shell(lines, in: folder.path)
        let isAnswer = subcommand == "diff" && result.status == 1 && result.errors.isEmpty
        #expect(result.status == 0 || isAnswer, "\(example): \(result.errors)")
        for output in outputs { #expect(folder.appending(output).exists, "\(example)") }
      }
    }
  }

  /// A model that can be run, by its path and by its name, adapters for it, and what is read.
  private static let speakingModel = """
    echo 'Who are you?' > question.txt
    echo 'Once upon a time' > story.txt
    exec < question.txt
    rm -rf path/to/model *.adp
    cp -r '\(Repository.fixtures)/speaking/base' path/to/model
    commit=0123456789abcdef0123456789abcdef01234567
    export HF_HUB_CACHE=$PWD/hub
    mkdir -p hub/models--org--speaking/refs hub/models--org--speaking/snapshots
    cp -r path/to/model hub/models--org--speaking/snapshots/$commit
    printf $commit > hub/models--org--speaking/refs/main
    for name in lora other; do
      adapter convert '\(Repository.fixtures)/speaking/lora' -o $name.adp --base org/speaking
    done
    adapter convert '\(Repository.fixtures)/speaking/prompt' -o prompt.adp
    """

  /// A folder with everything that the examples name, for one small base with biases.
  private func sampleFolder() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    let lines = """
      set -e
      mkdir -p path/to/tuned
      cp -r '\(Repository.base("tiny-bias"))' path/to/model
      cp -r path/to/model path/to/base
      cp -r path/to/model base
      cp '\(Repository.fixtures)/bitfit/f32_small/tuned.safetensors' path/to/tuned/model.safetensors
      cp -r path/to/tuned tuned
      cp path/to/base/model.safetensors base.safetensors
      cp base.safetensors model.safetensors
      cp path/to/tuned/model.safetensors tuned.safetensors
      cp -r '\(Repository.peft("gpt2_ia3"))' path/to/peft-adapter
      cp '\(Repository.fixtures)/kohya/lora.safetensors' style.safetensors
      adapter convert path/to/peft-adapter -o lora.adp
      for name in old new dora french german; do cp lora.adp $name.adp; done
      adapter pack french.adp german.adp -o languages.adp
      adapter unpack lora.adp -o folder
      adapter merge path/to/model lora.adp -o path/to/merged-model
      adapter merge path/to/model lora.adp:0.7 dora.adp:-0.3 -o mixed-model
      """
    let result = try Command.shell(lines, in: folder.path)
    #expect(result.status == 0, "\(result.errors)")
    return folder
  }
}

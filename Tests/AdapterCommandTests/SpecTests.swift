import Foundation
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// Spec/cli.md names what the command writes for programs.
@Suite struct SpecTests {
  /// Every document that a transcript holds: a schema, and all keys in it.
  private static func documents() throws -> [(schema: String, keys: Set<String>)] {
    try Transcript.names.flatMap { name in
      let text = String(decoding: try Transcript(name).path.contents, as: UTF8.self)
      return text.matches(of: #/(?m)^\{\n  "schema": "([^"]+)"(?s:.*?)^\}$/#).map { match in
        let keys = match.0.matches(of: #/(?m)(?:^ *|\{|, )"([a-z_0-9]+)": /#).map { String($0.1) }
        return (String(match.1), Set(keys))
      }
    }
  }

  /// The section of a document in Spec/cli.md.
  private static func section(_ schema: String) throws -> String? {
    let text = String(
      decoding: try Repository.root.appending("Spec").appending("cli.md").contents, as: UTF8.self)
    return text.components(separatedBy: "\n### `").dropFirst()
      .first { $0.hasPrefix("\(schema)`") }
  }

  @Test func everyKeyOfEveryDocumentIsDescribed() throws {
    let documents = try Self.documents()
    #expect(
      Set(documents.map(\.schema)) == [
        "adapter.inspect/1", "adapter.inspect-checkpoint/1", "adapter.diff/1",
        "adapter.diff-checkpoint/1", "adapter.merge/1", "adapter.check/1", "adapter.run/1",
        "adapter.verify-merge/1", "adapter.merge-survey/1",
      ])
    for (schema, keys) in documents {
      let section = try #require(try Self.section(schema), "\(schema)")
      // Metadata has keys of its users.
      for key in keys.subtracting(["schema", "license", "title"]) {
        #expect(
          section.contains("`\(key)`") || section.contains("{\(key)")
            || section.contains(", \(key)"), "\(schema): \(key)")
      }
    }
  }

  @Test func everyExitStatusInATranscriptIsDescribed() throws {
    let text = String(
      decoding: try Repository.root.appending("Spec").appending("cli.md").contents, as: UTF8.self)
    for name in Transcript.names {
      let transcript = String(decoding: try Transcript(name).path.contents, as: UTF8.self)
      for match in transcript.matches(of: #/(?m)^exit (\d+)$/#) {
        #expect(text.contains("\n| \(match.1) | "), "\(name): exit \(match.1)")
      }
    }
  }

  /// The verdicts of `check`, `diff` and `verify --merge` and the findings of `inspect`, as the sources have them.
  @Test(arguments: [
    "exact", "same_values", "padded", "near", "no_fingerprint", "targets_not_sampled",
    "others_differ",
    "targets_padded", "targets_differ", "already_merged", "structure_differs", "quantised",
    "same", "same_weights", "same_effect", "undecided", "differs", "within_tolerance", "only_left",
    "only_right", "other_kind",
    "other_dtype", "other_shape", "untrained", "concentrated", "unused_rank", "wider_than_needed",
    "unusual_scale", "whole_parameters", "identical", "within_one_rounding", "untouched", "changed",
    "missing", "additional",
  ])
  func everyWordIsDescribed(_ word: String) throws {
    let text = String(
      decoding: try Repository.root.appending("Spec").appending("cli.md").contents, as: UTF8.self)
    #expect(text.contains("`\(word)`"))
  }
}

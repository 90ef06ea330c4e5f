internal import AdapterRuntime
internal import Checkpoints
internal import Storage
internal import StrictJSON
internal import SystemPackage

extension MergeReceipt {
  /// The receipt for people, line by line.
  func lines(seconds: Double) -> [(kind: String, text: String)] {
    var lines = [
      (
        "done",
        "\(output): \(changed.count.of("tensor")) changed "
          + "(\(changedParameters.grouped) parameters), \(untouchedCount.grouped) untouched, "
          + "\(ByteCount(byteCount)) in \(seconds.short) s"
      ),
      ("note", "base: \(verdict.sentence)"),
    ]
    if rule != .exact { lines.append(("note", "names: \(rule)")) }
    if !created.isEmpty { lines.append(("note", "new: \(Self.list(created))")) }
    if !resized.isEmpty { lines.append(("note", "resized: \(Self.list(resized))")) }
    if !editedFiles.isEmpty {
      lines.append(("note", "changed with the weights: " + editedFiles.joined(separator: ", ")))
    }
    if !proven.isEmpty {
      lines.append(("note", "\(proven.count.of("tensor")) bit for bit as recorded"))
    }
    lines += notes.map { ("note", $0) }
    if !omittedFiles.isEmpty {
      lines.append(("note", "not copied: " + omittedFiles.joined(separator: ", ")))
    }
    return lines
  }

  private static func list(_ names: [Name]) -> String {
    names.prefix(4).map(\.text).joined(separator: ", ")
      + (names.count > 4 ? " and \(names.count - 4) more" : "")
  }

  /// The document `adapter.merge/1` of Spec/cli.md.
  func json(seconds: Double) -> String {
    var writer = JSONWriter(style: .indented)
    writer.object { writer in
      writer.member("schema", "adapter.merge/1")
      writer.member("output", output.string)
      writer.key("adapter")
      writer.object { writer in
        writer.member("name", adapter.name.text)
        writer.member("manifest_digest", adapter.digest?.description)
      }
      writer.member("binding", rule.description)
      writer.member("base", verdict.code)
      writer.member("changed", changed.map(\.text))
      writer.member("created", created.map(\.text))
      writer.member("resized", resized.map(\.text))
      writer.member("proven", proven.map(\.text))
      writer.member("changed_parameters", UInt64(changedParameters))
      writer.member("untouched", UInt64(untouchedCount))
      writer.member("bytes", byteCount)
      writer.member("files", shards)
      writer.member("copied_files", copiedFiles)
      writer.member("edited_files", editedFiles)
      writer.member("omitted_files", omittedFiles)
      writer.member("notes", notes)
      writer.key("seconds")
      writer.number(seconds)
    }
    return String(decoding: writer.bytes, as: UTF8.self) + "\n"
  }
}

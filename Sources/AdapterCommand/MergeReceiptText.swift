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
          + "(\(applied.changedParameters.grouped) parameters), \(untouchedCount.grouped) untouched, "
          + "\(ByteCount(byteCount)) in \(seconds.short) s"
      )
    ]
    for entry in applied.adapters { lines += self.lines(of: entry).map { ("note", $0) } }
    if !created.isEmpty { lines.append(("note", "new: \(Self.list(created))")) }
    if !resized.isEmpty { lines.append(("note", "resized: \(Self.list(resized))")) }
    if !editedFiles.isEmpty {
      lines.append(("note", "changed with the weights: " + editedFiles.joined(separator: ", ")))
    }
    if !proven.isEmpty {
      lines.append(("note", "\(proven.count.of("tensor")) bit for bit as recorded"))
    }
    for entry in applied.adapters {
      lines += entry.notes.map { ("note", named($0, entry)) }
    }
    lines += notes.map { ("note", $0) }
    if !omittedFiles.isEmpty {
      lines.append(("note", "not copied: " + omittedFiles.joined(separator: ", ")))
    }
    return lines
  }

  /// What there is to say of one adapter; of several, by its label.
  private func lines(of entry: Receipt.Entry) -> [String] {
    var lines: [String] = []
    if applied.adapters.count > 1 || entry.weight != 1 {
      lines.append(
        "weight \(entry.weight.exact): \(entry.changedCount.of("tensor")), "
          + entry.operations.map { "\($0.count.grouped) \($0.name)" }.joined(separator: ", "))
    }
    lines.append("base: \(entry.verdict.sentence)")
    if entry.rule != .exact { lines.append("names: \(entry.rule)") }
    return lines.map { named($0, entry) }
  }

  private func named(_ line: String, _ entry: Receipt.Entry) -> String {
    applied.adapters.count == 1 ? line : "\(entry.label): \(line)"
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
      // Of the only one; a program that knows of several reads the list.
      let only = applied.adapters.count == 1 ? applied.adapters.first : nil
      writer.key("adapter")
      if let only {
        writer.object { writer in
          writer.member("name", only.name.text)
          writer.member("manifest_digest", only.digest?.description)
        }
      } else {
        writer.null()
      }
      writer.member("binding", only?.rule.description)
      writer.member("base", only?.verdict.code)
      writer.key("adapters")
      writer.array { writer in
        for entry in applied.adapters { writer.object { entry.write(to: &$0) } }
      }
      writer.member("changed", changed.map(\.text))
      writer.member("created", created.map(\.text))
      writer.member("resized", resized.map(\.text))
      writer.member("proven", proven.map(\.text))
      writer.member("changed_parameters", UInt64(applied.changedParameters))
      writer.member("untouched", UInt64(untouchedCount))
      writer.member("bytes", byteCount)
      writer.member("files", shards)
      writer.member("copied_files", copiedFiles)
      writer.member("edited_files", editedFiles)
      writer.member("omitted_files", omittedFiles)
      writer.member("notes", (only?.notes ?? []) + notes)
      writer.key("seconds")
      writer.number(seconds)
    }
    return String(decoding: writer.bytes, as: UTF8.self) + "\n"
  }
}

extension Double {
  /// All digits, without a point where it is whole.
  var exact: String {
    self == rounded() && magnitude < 1e6 ? "\(Int(self))" : "\(self)"
  }
}

extension Receipt.Entry {
  /// An entry of `adapters`.
  fileprivate func write(to writer: inout JSONWriter) {
    writer.member("path", label)
    writer.member("name", name.text)
    writer.member("method", method)
    writer.member("manifest_digest", digest?.description)
    writer.key("weight")
    writer.number(weight)
    writer.member("binding", rule.description)
    writer.member("base", verdict.code)
    writer.member("changed", UInt64(changedCount))
    writer.member("created", UInt64(createdCount))
    writer.key("operations")
    writer.array { writer in
      for operation in operations {
        writer.object { writer in
          writer.member("op", operation.name)
          writer.member("count", UInt64(operation.count))
        }
      }
    }
    writer.member("notes", notes)
  }
}

internal import AdapterRuntime
internal import Checkpoints
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// The report of a merge, for people and for programs.
struct MergeReport {
  let receipt: MergeReceipt
  let part: PartChoice?
  let undo: String?
  let seconds: Double

  /// The receipt for people, line by line.
  var lines: [(kind: String, text: String)] {
    var lines = [("done", summary)]
    if let line = unchangedLine(receipt.unchanged, of: receipt.applied) { lines.append(line) }
    if let share = receipt.survival.total(
      isRequantised: receipt.isRequantised)
    {
      lines += share.lines
    }
    for entry in receipt.applied.adapters { lines += entry.lines(in: receipt.applied) }
    if let undo, let byteCount = receipt.undoByteCount {
      lines.append(("note", "to take it back: \(undo), \(ByteCount(byteCount))"))
    }
    if part == nil, !receipt.resumedShards.isEmpty {
      lines.append(("note", "\(receipt.resumedShards.count.of("file")) had been written before"))
    }
    return lines + receipt.lines
  }

  private var summary: String {
    let size = "\(ByteCount(receipt.byteCount)) in \(seconds.short) s"
    if let part {
      return "\(receipt.output): part \(part): \(receipt.shards.count.of("file")), \(size)"
    }
    return "\(receipt.output): \(receipt.changed.count.of("tensor")) changed "
      + "(\(receipt.changedParameters.grouped) parameters), "
      + "\(receipt.untouchedCount.grouped) untouched, \(size)"
  }
}

extension MergeReceipt {
  /// Notes about files and tensors.
  fileprivate var lines: [(kind: String, text: String)] {
    var lines: [(kind: String, text: String)] = []
    if !created.isEmpty { lines.append(("note", "new: \(Self.list(created))")) }
    if !resized.isEmpty { lines.append(("note", "resized: \(Self.list(resized))")) }
    // A card is written for nearly every folder.
    let edited = editedFiles.filter { $0 != FolderChoices.cardName }
    if !edited.isEmpty {
      lines.append(("note", "written anew: " + edited.joined(separator: ", ")))
    }
    if !proven.isEmpty {
      lines.append(("note", "\(proven.count.of("tensor")) bit for bit as recorded"))
    }
    lines += notes.map { ("note", $0) }
    lines += quantised.map { ("note", $0.sentence) }
    if !omittedFiles.isEmpty {
      lines.append(("note", "not copied: " + omittedFiles.joined(separator: ", ")))
    }
    return lines
  }

  private static func list(_ names: [Name]) -> String {
    names.prefix(4).map(\.text).joined(separator: ", ")
      + (names.count > 4 ? " and \(names.count - 4) more" : "")
  }

  fileprivate func write(to writer: inout JSONWriter) {
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
    writer.member("unchanged", unchanged.map(\.text))
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
    writer.key("quantisation")
    writer.array { writer in
      for entry in quantised {
        writer.object { writer in
          writer.member("scheme", entry.scheme.rawValue)
          writer.member("parameters", UInt64(entry.parameterCount))
          writer.member("changed", UInt64(entry.changedCount))
          writer.member("treatment", entry.treatment)
          writer.member("dtype", entry.type?.rawValue)
        }
      }
    }
    writer.member("omitted_tensors", UInt64(omittedTensorCount))
    writer.member("resumed_files", resumedShards)
    writer.member("notes", (only?.notes ?? []) + notes)
    survival.write(to: &writer)
  }
}

extension MergeReport {
  /// The document `adapter.merge/1` of Spec/cli.md.
  var json: String {
    var writer = JSONWriter(style: .indented)
    writer.object { writer in
      writer.member("schema", "adapter.merge/1")
      receipt.write(to: &writer)
      writer.member("part", part.map { "\($0.number)/\($0.count)" })
      writer.member("undo", undo)
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
  /// Returns the lines about one adapter, with its label if there are several.
  func lines(in receipt: Receipt) -> [(kind: String, text: String)] {
    var lines: [String] = []
    if receipt.adapters.count > 1 || weight != 1 {
      lines.append(
        "weight \(weight.exact): \(changedCount.of("tensor")), "
          + operations.map { "\($0.count.grouped) \($0.name)" }.joined(separator: ", "))
    }
    if verdict.isAccepted { lines.append("base: \(verdict.sentence)") }
    if rule != .exact { lines.append("names: \(rule)") }
    let prefix = receipt.adapters.count == 1 ? "" : "\(label): "
    let warning = "\(prefix)merged into another base, as asked: \(verdict.sentence)"
    return (verdict.isAccepted ? [] : [("warning", warning)])
      + (lines + notes).map { ("note", prefix + $0) }
  }

  /// An entry of `adapters`.
  func write(to writer: inout JSONWriter) {
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
    writer.member("left_out", leftOut.map(\.text))
    writer.member("notes", notes)
  }
}

extension MergeReceipt.Quantised {
  fileprivate var sentence: String {
    let count = "\(parameterCount.of("parameter")) (\(scheme.rawValue))"
    let changed = "\(changedCount.grouped) of them changed"
    return type.map { "dequantised \(count) to \($0.rawValue), \(changed)" }
      ?? "kept \(count) quantised, \(changed)"
  }

  fileprivate var treatment: String {
    type != nil ? "dequantised" : changedCount > 0 ? "requantised" : "kept"
  }
}

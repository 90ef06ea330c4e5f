internal import AdapterModels
internal import Operations
internal import Storage
internal import StrictJSON

/// The report of runs.
struct RunReport {
  let base: String
  let references: [WeightedReference]
  let model: RunModel
  let input: RunInput
  let runs: [Answer]
  let seconds: Double

  /// Lines for `--stats`.
  var statistics: [String] {
    let weights = ByteCount(model.model.weightByteCount)
    let adapters = model.stack.entries.reduce(0) { $0 + $1.adapter.byteCount }
    var lines = ["weights \(weights), adapters \(ByteCount(adapters))"]
    for run in runs {
      let name = runs.count > 1 ? "\(run.kind.rawValue): " : ""
      let prefill = Self.rate(input.tokens.count - run.knownCount, run.prefillSeconds)
      let decode = Self.rate(max(0, run.tokens.count - 1), run.decodeSeconds)
      lines.append("\(name)prompt \(prefill)")
      lines.append("\(name)decode \(decode)")
    }
    lines.append("all in \(seconds.short) s")
    if let library = try? LinearAlgebra.libraryName() { lines.append("matrices by \(library)") }
    return lines
  }

  /// Writes them to standard error.
  func reportStatistics() {
    for line in statistics { Terminal.report("stats", line) }
  }

  private static func rate(_ count: Int, _ seconds: Double) -> String {
    "\(count) tokens in \(seconds.short) s, \((Double(count) / max(seconds, 1e-9)).short) tokens/s"
  }

  /// The document `adapter.run/1` of Spec/cli.md.
  var json: String {
    var writer = JSONWriter(style: .indented)
    writer.object { writer in
      writer.member("schema", "adapter.run/1")
      writer.member("base", base)
      writer.key("adapters")
      writer.array { writer in
        for reference in references {
          writer.object { writer in
            writer.member("adapter", reference.label)
            writer.member("weight", reference.weight as Double?)
          }
        }
      }
      if let form = input.form { writer.member("chat_template", form) }
      writer.key("prompt_ids")
      writer.integers(input.tokens)
      writer.key("runs")
      writer.array { writer in for run in runs { encode(run, &writer) } }
      writer.member("seconds", seconds as Double?)
    }
    return String(decoding: writer.bytes, as: UTF8.self) + "\n"
  }

  private func encode(_ run: Answer, _ writer: inout JSONWriter) {
    writer.object { writer in
      writer.member("model", run.kind.rawValue)
      writer.key("ids")
      writer.integers(run.tokens)
      if input.tokenizer != nil { writer.member("text", run.text) }
      writer.member("end", run.end?.rawValue)
      writer.key("cut")
      writer.boolean(run.isCut)
      writer.member("prefill_seconds", run.prefillSeconds as Double?)
      writer.member("decode_seconds", run.decodeSeconds as Double?)
    }
  }
}

extension JSONWriter {
  fileprivate mutating func integers(_ values: [Int32]) {
    array { writer in for value in values { writer.integer(value) } }
  }
}

internal import AdapterInterop
internal import Operations
internal import StrictJSON
internal import SystemPackage

/// The document `adapter.convert/1` of Spec/cli.md, which `convert --json` prints.
struct ConversionReport {
  let source: AdapterReference
  let output: String
  let format: String
  let adapter: Adapter
  let losses: [ForeignExport.Loss]

  func json() throws -> String {
    let listing = AdapterListing(
      path: source.path.string, file: nil, format: nil,
      adapters: [try InspectedAdapter(summaryOf: adapter)], details: .init())
    var writer = JSONWriter(style: .indented)
    writer.object { writer in
      writer.member("schema", "adapter.convert/1")
      encode("source", source.path.string, source.contents.format?.name ?? "adp", &writer)
      encode("output", output, format, &writer)
      listing.encodeAdapters(&writer)
      writer.key("losses")
      writer.array { writer in
        for loss in losses {
          writer.object { writer in
            writer.member("kind", loss.kind.rawValue)
            writer.member("subject", loss.place?.subject)
            writer.member("reason", loss.reason)
          }
        }
      }
    }
    return String(decoding: writer.bytes, as: UTF8.self) + "\n"
  }

  private func encode(
    _ key: Name, _ path: String, _ format: String, _ writer: inout JSONWriter
  ) {
    writer.key(key)
    writer.object { writer in
      writer.member("path", path)
      writer.member("format", format)
    }
  }
}

extension InteropError.Place {
  /// The name of what it is about: a parameter, a tensor, a field or a file.
  fileprivate var subject: String {
    switch self {
    case .file(let path): path.string
    case .field(let field, _, _): field.text
    case .tensor(let name): name.text
    case .operation(let name, let target): target?.text ?? name
    }
  }
}

internal import AdapterFormat
internal import AdapterInsight
internal import AdapterInterop
internal import Operations
internal import Storage
internal import StrictJSON

extension AdapterListing {
  /// The document `adapter.inspect/1` of Spec/cli.md.
  var json: String {
    var writer = JSONWriter(style: .indented)
    writer.object { writer in
      writer.member("schema", "adapter.inspect/1")
      writer.member("path", path)
      writer.member("format", format?.name ?? "adp")
      if let file {
        writer.member("bytes", file.byteCount)
        writer.member("manifest_digest", file.digest.description)
        if let generator = file.manifest.generator { writer.member("generator", generator) }
        writer.key("metadata")
        writer.object { writer in
          for entry in file.manifest.metadata { writer.member(entry.key, entry.value) }
        }
      }
      writer.key("base")
      if let base = adapters.first?.adapter.base { encode(base, &writer) } else { writer.null() }
      encodeAdapters(&writer)
    }
    return String(decoding: writer.bytes, as: UTF8.self) + "\n"
  }

  /// The member `adapters`.
  func encodeAdapters(_ writer: inout JSONWriter) {
    writer.key("adapters")
    writer.array { writer in
      for adapter in adapters { encode(adapter, &writer) }
    }
  }

  private func encode(_ base: BaseRecord, _ writer: inout JSONWriter) {
    writer.object { writer in
      writer.member("name", base.name)
      writer.member("revision", base.revision)
      writer.member("architecture", base.architecture)
      writer.key("fingerprint")
      guard let fingerprint = base.fingerprint else { return writer.null() }
      writer.object { writer in
        writer.member("tensors", UInt64(fingerprint.tensors.count))
        writer.member("digest", fingerprint.digest.description)
      }
    }
  }

  private func encode(_ inspected: InspectedAdapter, _ writer: inout JSONWriter) {
    let (adapter, inspection) = (inspected.adapter, inspected.inspection)
    let statistics = inspected.values?.statistics ?? inspection.groups.map { _ in [] }
    writer.object { writer in
      writer.member("name", adapter.name.text)
      writer.member("method", adapter.method)
      writer.member("parameters", UInt64(inspection.parameterCount))
      writer.member("bytes", UInt64(inspection.byteCount))
      if let stored = inspection.storedByteCount { writer.member("stored_bytes", stored) }
      writer.member("weights_digest", inspection.weightsDigest?.description)
      writer.key("dtypes")
      writer.array { writer in
        for count in inspection.types {
          writer.object { writer in
            writer.member("dtype", count.type.rawValue)
            writer.member("tensors", UInt64(count.tensors))
            writer.member("elements", UInt64(count.elements))
          }
        }
      }
      writer.key("operations")
      writer.array { writer in
        for (group, all) in zip(inspection.groups, statistics) { encode(group, all, &writer) }
      }
      writer.key("inert")
      writer.array { writer in
        for entry in adapter.inert {
          writer.object { writer in
            writer.member("tensor", entry.tensor.text)
            if let window = entry.window { Operand.encode(window, into: &writer) }
            writer.member("reason", entry.reason)
          }
        }
      }
      writer.key("files")
      writer.array { writer in
        for file in adapter.files where file.tensor != nil {
          writer.object { writer in
            writer.member("path", file.path.text)
            writer.member("bytes", file.size)
          }
        }
      }
      writer.key("source")
      writer.object { writer in
        writer.member("format", adapter.source?.format)
        writer.member("sha256", adapter.source?.digest?.description)
      }
      writer.key("warnings")
      writer.array { writer in
        for warning in inspection.warnings {
          writer.object { writer in
            writer.member("code", warning.code)
            writer.member("subjects", warning.subjects)
          }
        }
      }
      if let values = inspected.values {
        EffectsJSON.encode(values, spectra: details.spectra, &writer)
      }
      if let change = inspected.change { EffectsJSON.encode(change, &writer) }
      if details.tensors { EffectsJSON.encodeTensors(of: adapter, &writer) }
    }
  }

  private func encode(
    _ group: Inspection.OperationGroup, _ statistics: [ValueStatistics],
    _ writer: inout JSONWriter
  ) {
    writer.object { writer in
      writer.member("op", group.op)
      if let rank = group.summary.rank { writer.member("rank", UInt64(rank)) }
      if let scale = group.summary.scale {
        writer.key("scale")
        writer.number(scale)
      }
      if let layout = group.layout { writer.member("layout", layout.rawValue) }
      if !group.summary.traits.isEmpty { writer.member("traits", group.summary.traits) }
      if !statistics.isEmpty {
        writer.key("values")
        writer.array { writer in for entry in statistics { encode(entry, &writer) } }
      }
      writer.member("targets", group.targets.map(\.text))
    }
  }
}

extension AdapterListing {
  private func encode(_ statistics: ValueStatistics, _ writer: inout JSONWriter) {
    writer.object { writer in
      writer.member("of", statistics.quantity.rawValue)
      writer.member("min", statistics.minimum)
      writer.member("mean", statistics.mean)
      writer.member("max", statistics.maximum)
    }
  }
}

extension JSONWriter {
  mutating func member(_ key: Name, _ value: String?) {
    self.key(key)
    if let value { string(value) } else { null() }
  }

  mutating func member(_ key: Name, _ value: UInt64) {
    self.key(key)
    integer(value)
  }

  /// A number; null for one that is not there or not finite, for which JSON has no word.
  mutating func member(_ key: Name, _ value: Double?) {
    self.key(key)
    if let value, value.isFinite { number(value) } else { null() }
  }

  mutating func member(_ key: Name, _ values: [Double]) {
    self.key(key)
    numbers(values)
  }

  /// An array of numbers, null for each that is not finite.
  mutating func numbers(_ values: [Double]) {
    array { writer in
      for value in values { if value.isFinite { writer.number(value) } else { writer.null() } }
    }
  }

  mutating func member(_ key: Name, _ values: [String]) {
    self.key(key)
    array { writer in for value in values { writer.string(value) } }
  }
}

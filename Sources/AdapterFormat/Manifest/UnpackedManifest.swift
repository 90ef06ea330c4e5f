internal import Storage
internal import StrictJSON

// The manifest of a folder (Spec/folder.md) is that of a file without what packing makes. Both ways
// copy the text value by value, so that unknown keys and the spelling of numbers survive.

extension Manifest {
  /// The text of `manifest.json` for some adapters of a file.
  ///
  /// - Parameters:
  ///   - text: the text of this manifest.
  ///   - chosen: the adapters' indices.
  /// - Returns: the text, indented.
  /// - Throws: `FormatError` where the text is not that of this manifest.
  package func unpackedText(
    _ text: [UInt8], adapters chosen: [Int]
  ) throws(FormatError) -> [UInt8] {
    var writer = JSONWriter(style: .indented)
    try parsing { () throws(JSONError) in
      var reader = try JSONReader(text, maximumDepth: Limits.depth)
      try Self.copyAdapters(&reader, into: &writer) { index, reader, writer throws(JSONError) in
        guard chosen.contains(index), adapters.indices.contains(index) else {
          return try reader.skip()
        }
        try adapters[index].encodeUnpacked(&reader, into: &writer)
      }
    }
    return writer.bytes + [0x0A]
  }

  /// The text of a file's manifest.
  ///
  /// - Parameters:
  ///   - text: that of `manifest.json`, which this manifest was read from.
  ///   - written: what has written the tensors.
  ///   - generator: the program, where `manifest.json` names none.
  /// - Returns: the text, compact.
  /// - Throws: `FormatError` where the text is not that of this manifest.
  package func packedText(
    _ text: [UInt8], of written: AdapterWriter, generator: String
  ) throws(FormatError) -> [UInt8] {
    var writer = JSONWriter()
    try parsing { () throws(JSONError) in
      var reader = try JSONReader(text, maximumDepth: Limits.depth)
      try Self.copyAdapters(
        &reader, into: &writer, generator: self.generator == nil ? generator : nil
      ) { index, reader, writer throws(JSONError) in
        guard written.adapters.indices.contains(index) else { return try reader.skip() }
        try written.adapters[index].encodePacked(&reader, into: &writer)
      }
    }
    return writer.bytes
  }

  /// Copies a manifest, each adapter by `body`.
  private static func copyAdapters(
    _ reader: inout JSONReader, into writer: inout JSONWriter, generator: String? = nil,
    _ body: (Int, inout JSONReader, inout JSONWriter) throws(JSONError) -> Void
  ) throws(JSONError) {
    try writer.object { writer throws(JSONError) in
      if let generator { writer.member("generator", generator) }
      var keys = try reader.beginObject()
      while let key = try reader.nextKey(&keys) {
        writer.key(key)
        guard key == "adapters" else {
          try writer.copy(&reader)
          continue
        }
        try writer.array { writer throws(JSONError) in
          var elements = try reader.beginArray()
          while try reader.nextElement(&elements) { try body(elements.count - 1, &reader, &writer) }
        }
      }
    }
  }
}

extension AdapterRecord {
  /// Copies the adapter without `streams` and `nonfinite`, but for what is opaque.
  fileprivate func encodeUnpacked(
    _ reader: inout JSONReader, into writer: inout JSONWriter
  ) throws(JSONError) {
    let opaque = streams.filter(\.isOpaque)
    let names = Set(opaque.flatMap(\.tensors).map(\.name))
    let listed = (nonfinite ?? []).filter(names.contains)
    try writer.object { writer throws(JSONError) in
      var keys = try reader.beginObject()
      while let key = try reader.nextKey(&keys) {
        if key == "streams" || key == "nonfinite" {
          try reader.skip()
        } else {
          writer.key(key)
          try writer.copy(&reader)
        }
      }
      guard !opaque.isEmpty else { return }
      if !listed.isEmpty { writer.member("nonfinite", listed) }
      var complete = self
      complete.streams = opaque
      complete.encodeStreams(into: &writer)
    }
  }

  /// Copies the adapter of a folder, with the `streams` and `nonfinite` of this record where the writer
  /// puts them.
  fileprivate func encodePacked(
    _ reader: inout JSONReader, into writer: inout JSONWriter
  ) throws(JSONError) {
    try writer.object { writer throws(JSONError) in
      var keys = try reader.beginObject()
      while let key = try reader.nextKey(&keys) {
        if key == "streams" || key == "nonfinite" {
          try reader.skip()
          continue
        }
        if key == "operations", let nonfinite { writer.member("nonfinite", nonfinite) }
        writer.key(key)
        try writer.copy(&reader)
      }
      encodeStreams(into: &writer)
    }
  }
}

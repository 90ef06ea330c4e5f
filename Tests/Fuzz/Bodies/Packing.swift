import AdapterFormat
import Operations
import Storage

/// What every reader of a foreign format promises of what it accepts.
enum Packing {
  /// Writes an adapter, and opens the file as a user would.
  static func pack(_ adapter: Adapter) throws(BrokenProperty) -> Adapter {
    let sink = MemorySink()
    try BrokenProperty.unlessHolds("what is converted can be packed") { () throws(FormatError) in
      try Adapter.write([adapter], to: sink)
    }
    return try BrokenProperty.unlessHolds("what is packed can be opened") {
      () throws(FormatError) in
      let file = try AdapterFile(MemoryBytes(sink.bytes))
      try file.verify()
      let packed = try Adapter(file, index: 0)
      _ = try Inspection(packed)
      return packed
    }
  }
}

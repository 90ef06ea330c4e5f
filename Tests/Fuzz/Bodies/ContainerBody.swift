import AdapterFormat
import Operations
import Storage
import SystemPackage

/// `.adp` files: whatever is accepted can be inspected, verified, unpacked and packed again.
enum ContainerBody {
  /// Restored bytes of a file whose values are read. A file of 50 kB may stand for a gibibyte
  /// ([LIM-2]), which is no fault, but would take all the time.
  private static let maximumRestored = 8 << 20

  static func run(_ bytes: [UInt8]) throws(BrokenProperty) -> Bool {
    guard let file = try? AdapterFile(MemoryBytes(bytes)),
      let adapters = try? Adapter.adapters(of: file)
    else { return false }
    try checkUnpackedManifest(of: file)
    let restored = file.manifest.adapters.flatMap(\.streams).map(\.byteCount)
    guard restored.allSatisfy({ $0 <= maximumRestored }),
      restored.reduce(0, +) <= maximumRestored
    else { return true }
    for adapter in adapters {
      _ = try BrokenProperty.unlessHolds("an accepted file is inspected") {
        () throws(FormatError) in try Inspection(adapter)
      }
    }
    let isWhole = (try? file.verify()) != nil
    for (index, adapter) in adapters.enumerated() {
      try readAll(of: adapter, isWhole)
      try checkLoaded(adapter, file, index, isWhole)
    }
    if isWhole {
      try checkCopies(of: file)
      try checkWrittenAnew(adapters, file)
    } else {
      try? file.rewrite(ManifestEdit(), to: MemorySink())
    }
    return isWhole
  }

  private static func readAll(of adapter: Adapter, _ isWhole: Bool) throws(BrokenProperty) {
    for info in adapter.tensors {
      let contents = try? adapter.contents(of: info.name)
      try BrokenProperty.unless(contents != nil || !isWhole, "a verified tensor cannot be read")
      try BrokenProperty.unless(
        contents.map { $0.count == info.byteCount } ?? true, "a tensor is cut short")
    }
  }

  /// Loaded all at once, tensors have the same bytes as one by one.
  private static func checkLoaded(
    _ adapter: Adapter, _ file: AdapterFile, _ index: Int, _ isWhole: Bool
  ) throws(BrokenProperty) {
    guard let loaded = try? LoadedTensors(file, adapter: index) else {
      return try BrokenProperty.unless(!isWhole, "a verified adapter cannot be loaded")
    }
    for info in adapter.tensors {
      let bytes = unsafe loaded.withBytes(of: info.name) { unsafe Array($0) }
      try BrokenProperty.unless(
        bytes == (try? adapter.contents(of: info.name)), "a tensor was loaded as another")
    }
  }

  /// The manifest of a folder is made of any accepted file's, and is accepted as one.
  private static func checkUnpackedManifest(of file: AdapterFile) throws(BrokenProperty) {
    try BrokenProperty.unlessHolds("the manifest is unpacked") { () throws(FormatError) in
      let text = try file.manifest.unpackedText(
        file.manifestText(), adapters: Array(file.manifest.adapters.indices))
      let unpacked = try Manifest(unpacked: text)
      for adapter in file.manifest.adapters.indices {
        let infos = file.manifest.adapters[adapter].streams.flatMap(\.tensors)
          .compactMap { file.tensor($0.name, adapter: adapter) }
        try unpacked.adapters[adapter].check(against: infos)
      }
    }
  }

  /// Copied as it is stored, the file is accepted, and holds the same adapters.
  private static func checkCopies(of file: AdapterFile) throws(BrokenProperty) {
    let label = ("copy", MemorySink())
    try BrokenProperty.unlessHolds("a whole file is copied") { () throws(FormatError) in
      try file.rewrite(ManifestEdit(), to: label.1)
    }
    try check(label.1.bytes, holds: file.manifest.adapters, label.0)
    // Keys of a later version would be lost in a bundle, which refuses them.
    guard (try? file.manifest.checkNothingIsLost()) != nil else { return }
    let bundle = MemorySink()
    try BrokenProperty.unlessHolds("a whole file goes into a bundle") { () throws(BundleError) in
      let members = file.manifest.adapters.indices.map {
        AdapterBundle.Member(file, index: $0, label: "input", stem: nil, name: nil)
      }
      try AdapterBundle(members, ManifestEdit()).write(
        to: bundle, level: nil, generator: "the fuzzer")
    }
    try check(bundle.bytes, holds: file.manifest.adapters, "bundle")
  }

  /// Decoded and written anew, the adapters are accepted and have the same values.
  private static func checkWrittenAnew(
    _ adapters: [Adapter], _ file: AdapterFile
  ) throws(BrokenProperty) {
    guard file.manifest.adapters.flatMap(\.streams).allSatisfy({ !$0.isOpaque }) else { return }
    let sink = MemorySink()
    try BrokenProperty.unlessHolds("a whole file is written anew") { () throws(FormatError) in
      try Adapter.write(adapters, metadata: file.manifest.metadata, to: sink)
    }
    let again = try open(sink.bytes, "what is written anew")
    for (old, new) in zip(file.manifest.adapters, again.manifest.adapters) {
      try BrokenProperty.unless(old.weightsDigest == new.weightsDigest, "values have changed")
    }
  }

  private static func check(
    _ bytes: [UInt8], holds adapters: [AdapterRecord], _ what: String
  ) throws(BrokenProperty) {
    let file = try open(bytes, what)
    // Chunks may have moved, so that places differ.
    let (old, new) = (adapters.map(\.placed), file.manifest.adapters.map(\.placed))
    try BrokenProperty.unless(old == new, "the \(what) holds other adapters")
  }

  private static func open(_ bytes: [UInt8], _ what: String) throws(BrokenProperty) -> AdapterFile {
    try BrokenProperty.unlessHolds("the \(what) is accepted") { () throws(FormatError) in
      let file = try AdapterFile(MemoryBytes(bytes))
      _ = try Adapter.adapters(of: file)
      try file.verify()
      return file
    }
  }
}

extension AdapterRecord {
  /// The record with its chunks at places of its own.
  fileprivate var placed: AdapterRecord {
    var record = self
    record.placeStreams()
    return record
  }
}

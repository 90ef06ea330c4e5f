import AdapterFormat
import AdapterInterop
import Operations
import Checkpoints
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// Unpacks a file and packs the folder again.
private func roundTrip(_ file: AdapterFile) throws -> [UInt8] {
  let temporary = try TemporaryFolder()
  let target = temporary.appending("folder")
  let all = Array(file.manifest.adapters.indices)
  _ = try AdapterFolder.unpack(file, adapters: all, to: target, replacing: false)
  let sink = MemorySink()
  try AdapterFolder(target).write(ManifestEdit(), to: sink, level: .default)
  return sink.bytes
}

private let valid = Repository.files(below: Repository.fixtures.appending("valid"), suffix: ".adp")

@Suite struct FolderRoundTripTests {
  /// A file that this build's writer made comes back byte for byte.
  @Test(arguments: Repository.peftCases)
  func ourOwnFilesComeBack(_ name: String) throws {
    let imported = try PEFTCase.named(name).imported()
    let sink = MemorySink()
    try Adapter.write([imported.adapter], to: sink)
    #expect(try roundTrip(AdapterFile(MemoryBytes(sink.bytes))) == sink.bytes)
  }

  /// Any other file comes back with the same meaning, and from then on byte for byte.
  @Test(arguments: valid)
  func everyFileKeepsItsMeaning(_ path: FilePath) throws {
    let file = try AdapterFile.open(path)
    let bytes = try roundTrip(file)
    let back = try AdapterFile(MemoryBytes(bytes))
    try back.verify()
    _ = try Adapter.adapters(of: back)
    #expect(back.manifest.metadata == file.manifest.metadata)
    #expect(back.manifest.base == file.manifest.base)
    #expect(back.manifest.unknownKey == file.manifest.unknownKey)
    #expect(back.manifest.adapters.count == file.manifest.adapters.count)
    for (new, old) in zip(back.manifest.adapters, file.manifest.adapters) {
      #expect(new.name == old.name && new.method == old.method)
      #expect(new.operations == old.operations && new.inert == old.inert)
      #expect(new.source == old.source && new.files == old.files)
      #expect(new.weightsDigest == old.weightsDigest)
      if let listed = old.nonfinite { #expect(Set(new.nonfinite ?? []) == Set(listed)) }
      #expect(opaque(new) == opaque(old))
    }
    #expect(try roundTrip(back) == bytes)
  }

  /// What no reader of this version understands: its stored sizes and checksums.
  private func opaque(_ record: AdapterRecord) -> [[[UInt32]]] {
    record.streams.filter(\.isOpaque).map { $0.chunks.map { $0.sizes + [$0.checksum] } }
  }

  @Test func tensorsAreAligned() throws {
    let file = try AdapterFile.open(
      Repository.fixtures.appending("valid").appending("dtypes.adp"))
    let temporary = try TemporaryFolder()
    let target = temporary.appending("folder")
    _ = try AdapterFolder.unpack(file, adapters: [0], to: target, replacing: false)
    let tensors = try SafetensorsFile(target.appending("tensors.safetensors"))
    #expect(tensors.header.tensors.count == 22)
    for tensor in tensors.header.tensors {
      let width = UInt64(max(1, tensor.info.type.bitWidth / 8))
      #expect(tensors.offset(of: tensor) % width == 0, "\(tensor.info)")
    }
  }

  /// A user reads it, so it has lines; numbers keep their spelling.
  @Test func theManifestIsIndentedAndKeepsItsNumbers() throws {
    let text = #"{"x":1.50e+0,"adapters":[{"name":"a","method":"m","operations":[],"streams":[]}]}"#
    let file = try AdapterFile(MemoryBytes(HandMade.file(manifest: text)))
    let temporary = try TemporaryFolder()
    let target = temporary.appending("folder")
    _ = try AdapterFolder.unpack(file, adapters: [0], to: target, replacing: false)
    let unpacked = String(
      decoding: try target.appending("manifest.json").contents, as: UTF8.self)
    #expect(unpacked.contains("\n  \"x\": 1.50e+0,\n"))
    #expect(!unpacked.contains("streams"))
  }
}

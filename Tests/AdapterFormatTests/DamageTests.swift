import AdapterFormat
import Storage
import SystemPackage
import TestSupport
import Testing

private func isRefused(_ bytes: [UInt8]) -> Bool {
  do throws(FormatError) {
    _ = try check(MemoryBytes(bytes))
    return false
  } catch {
    return true
  }
}

/// Small valid files, made by hand and by our own writer.
private let files = ["example", "chunks", "source", "opaque_code", "values"].map {
  Repository.fixtures.appending("valid").appending("\($0).adp")
}

@Suite struct DamageTests {
  @Test(arguments: files)
  func everyFlippedBitIsRefused(_ path: FilePath) throws {
    var bytes = try path.contents
    // All bits of small files, of larger ones every seventh byte.
    for index in stride(from: 0, to: bytes.count, by: bytes.count < 4000 ? 1 : 7) {
      for bit in 0..<8 as Range<UInt8> {
        bytes[index] ^= 1 << bit
        #expect(isRefused(bytes), "bit \(bit) of byte \(index)")
        bytes[index] ^= 1 << bit
      }
    }
    #expect(!isRefused(bytes))
  }

  @Test(arguments: files)
  func everyPrefixIsRefused(_ path: FilePath) throws {
    let bytes = try path.contents
    for count in stride(from: 0, to: bytes.count, by: bytes.count < 4000 ? 1 : 7) {
      #expect(isRefused(Array(bytes.prefix(count))), "\(count) bytes")
    }
  }

  @Test(arguments: files)
  func anAppendedByteIsRefused(_ path: FilePath) throws {
    let bytes = try path.contents
    for byte in UInt8.min...UInt8.max { #expect(isRefused(bytes + [byte])) }
    #expect(isRefused(bytes + bytes))
  }

  @Test func aFlipInAChunkIsRefusedByAReaderOfThatChunk() throws {
    let bytes = try files[0].contents
    let file = try AdapterFile(MemoryBytes(bytes))
    let name = try #require(file.manifest.adapters[0].streams[0].tensors.first?.name)
    let chunk = try #require(file.manifest.adapters[0].streams[0].chunks.first)
    for offset in Int(chunk.offset)..<Int(chunk.offset) + chunk.storedByteCount {
      var damaged = bytes
      damaged[offset] ^= 0x10
      let opened = try AdapterFile(MemoryBytes(damaged))
      var element = [UInt8](repeating: 0, count: 4)
      #expect(throws: FormatError.self) {
        try unsafe element.withUnsafeMutableBytes {
          try unsafe opened.read(name, adapter: 0, at: 0, into: $0)
        }
      }
    }
  }
}

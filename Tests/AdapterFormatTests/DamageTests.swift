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

/// All valid files. Of the few that are not small, a sample of the damage is tried.
private let files = Repository.files(
  below: Repository.fixtures.appending("valid"), suffix: ".adp")
private let smallByteCount = 8192

private func places(_ count: Int) -> StrideTo<Int> {
  stride(from: 0, to: count, by: count <= smallByteCount ? 1 : count / 1024)
}

@Suite struct DamageTests {
  @Test(arguments: files)
  func everyFlippedBitIsRefused(_ path: FilePath) throws {
    var bytes = try path.contents
    for index in places(bytes.count) {
      for bit in 0..<8 as Range<UInt8> {
        bytes[index] ^= 1 << bit
        if !isRefused(bytes) { Issue.record("bit \(bit) of byte \(index)") }
        bytes[index] ^= 1 << bit
      }
    }
    #expect(!isRefused(bytes))
  }

  @Test(arguments: files)
  func everyPrefixIsRefused(_ path: FilePath) throws {
    let bytes = try path.contents
    for count in places(bytes.count) where !isRefused(Array(bytes.prefix(count))) {
      Issue.record("\(count) bytes")
    }
  }

  @Test(arguments: files)
  func anAppendedByteIsRefused(_ path: FilePath) throws {
    let bytes = try path.contents
    for byte in UInt8.min...UInt8.max where !isRefused(bytes + [byte]) {
      Issue.record("with \(byte) behind it")
    }
    #expect(isRefused(bytes + bytes))
  }

  @Test func aFlipInAChunkIsRefusedByAReaderOfThatChunk() throws {
    let bytes = try Repository.fixtures.appending("valid/example.adp").contents
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

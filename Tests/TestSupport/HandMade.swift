import Storage

/// `.adp` files of any manifest, made without the writer under test.
package enum HandMade {
  /// A file whose manifest is this text; digest and lengths are right.
  package static func file(manifest: String, payload: [UInt8] = []) -> [UInt8] {
    let magic: [UInt8] = [0x89, 0x41, 0x44, 0x50, 0x0D, 0x0A, 0x1A, 0x0A]
    let header = magic + [1, 1, 0, 0, 0, 0, 0, 0]
    let text = Array(manifest.utf8)
    let frame = frame(text)
    let numbers = [header.count + payload.count, frame.count, text.count].flatMap { little($0, 8) }
    let digest = Digest(of: header + frame + numbers + text)
    return header + payload + frame + numbers + digest.bytes + magic.reversed()
  }

  /// A frame of raw blocks.
  private static func frame(_ bytes: [UInt8]) -> [UInt8] {
    let n = bytes.count
    var frame: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD, 0xA0] + little(n, 4)
    var start = 0
    while start < n {
      let count = min(n - start, 128 << 10)
      frame += little(count << 3 | (start + count == n ? 1 : 0), 3)
      frame += bytes[start..<start + count]
      start += count
    }
    return frame
  }

  private static func little(_ value: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }
}

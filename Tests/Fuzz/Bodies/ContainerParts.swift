import AdapterFormat
import Storage
import TestSupport

/// An `.adp` file taken apart: what lies between header and manifest, and the manifest's text.
struct ContainerParts {
  var payload: [UInt8]
  var text: [UInt8]

  /// Takes a file apart whose envelope is whole; what the manifest says does not matter.
  init?(_ bytes: [UInt8]) {
    guard let (footer, _, text) = try? Envelope.open(MemoryBytes(bytes)) else { return nil }
    payload = Array(bytes[Envelope.header.count..<Int(footer.offset)])
    self.text = text
  }

  /// A file with a right envelope: the manifest in raw blocks, its lengths and its digest.
  var bytes: [UInt8] {
    let frame = Frame.stored(text)
    let footer = Envelope.Footer(
      offset: UInt64(Envelope.header.count + payload.count), stored: UInt64(frame.count),
      decoded: UInt64(text.count))
    let digest = Envelope.digest(manifestFrame: frame, footer: footer, text: text)
    return Envelope.header + payload + frame + footer.encoded(digest: digest)
  }

  /// Changes some bytes of the payload: flips, repeats, takes away.
  mutating func changePayload(_ random: inout SeededGenerator) {
    guard !payload.isEmpty else { return }
    for _ in 0..<Int.random(in: 1...4, using: &random) {
      guard let place = payload.indices.randomElement(using: &random) else { return }
      let end = min(payload.count, place + Int.random(in: 1...16, using: &random))
      switch Int.random(in: 0..<5, using: &random) {
      case 0: payload[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      case 1: payload[place] = [0, 1, 2, 6, 7, 0x7F, 0xFF].randomElement(using: &random) ?? 0
      case 2: payload.insert(contentsOf: Array(payload[place..<end]), at: place)
      case 3: payload.removeSubrange(place..<end)
      default: payload.insert(UInt8.random(in: .min ... .max, using: &random), at: place)
      }
    }
  }
}

extension Frame {
  /// A frame of equal bytes.
  static func repeated(_ byte: UInt8, count: Int) -> [UInt8] {
    var frame = [UInt8](repeating: 0, count: storedByteCount(contentSize: count))
    let size = unsafe frame.withUnsafeMutableBytes { unsafe store(byte, count: count, in: $0) }
    return Array(frame[..<size])
  }
}

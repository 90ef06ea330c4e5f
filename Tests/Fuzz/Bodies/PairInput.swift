package import Checkpoints
package import Operations
import Storage
import StrictJSON
import SystemPackage
import TestSupport

/// An input of the target `pair`: the text of a base's safetensors header, a byte of zero, and an `.adp` file. The base's
/// values need no room: they are made from their places.
package struct PairInput {
  package var header: [UInt8]
  package var adapter: [UInt8]

  package init(header: [UInt8], adapter: [UInt8]) {
    self.header = header
    self.adapter = adapter
  }

  /// Takes an input apart.
  package init(_ bytes: [UInt8]) {
    let end = bytes.firstIndex(of: 0) ?? bytes.endIndex
    header = Array(bytes[..<end])
    adapter = Array(bytes[end...].dropFirst())
  }

  /// An adapter and the base it was made for.
  package init(_ adapter: Adapter, _ base: Checkpoint) throws {
    let sink = MemorySink()
    try Adapter.write([adapter], to: sink)
    let header = SafetensorsHeader(canonical: base.tensors.map(\.info), metadata: nil).encoded
    self.init(header: Array(header[8...]), adapter: sink.bytes)
  }

  /// The input.
  package var bytes: [UInt8] { header + [0] + adapter }

  /// The bytes of the base's file; nil where there can be none, or too many.
  func base(limit: UInt64) -> [UInt8]? {
    guard let size = SafetensorsLayout(header)?.end, size <= limit else { return nil }
    let length = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
    // Small numbers in every float type: exponents of the middle, and all kinds of fractions.
    let values = (0..<Int(size)).map { place in
      place % 2 == 0
        ? UInt8(truncatingIfNeeded: place &* 37 &+ 11) : 0x3C ^ (place % 4 == 1 ? 0x80 : 0)
    }
    return length + header + values
  }
}

/// Changes the base or the adapter, each by its form.
enum PairMutation {
  static func mutate(_ bytes: [UInt8], _ random: inout SeededGenerator) -> [UInt8]? {
    var input = PairInput(bytes)
    if random.oneIn(3) {
      input.header = JSONMutation.mutate(input.header, &random) ?? input.header
    } else {
      guard let adapter = ContainerMutation.mutate(input.adapter, &random) else { return nil }
      input.adapter = adapter
    }
    return input.bytes
  }
}

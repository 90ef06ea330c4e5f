import Checkpoints
import Storage
import StrictJSON
import SystemPackage
import TestSupport

/// An input of the target `quantised`: the text of `config.json`, a byte of zero, and a safetensors file.
struct QuantisedInput {
  var config: [UInt8]
  var file: [UInt8]

  init(config: [UInt8], file: [UInt8]) { (self.config, self.file) = (config, file) }

  init(_ bytes: [UInt8]) {
    let end = bytes.firstIndex(of: 0) ?? bytes.endIndex
    self.init(config: Array(bytes[..<end]), file: Array(bytes[end...].dropFirst()))
  }

  var bytes: [UInt8] { config + [0] + file }
}

/// Bases whose weights are quantised: what is accepted can be read, in any range, and is no more than its files say.
enum QuantisedBody {
  /// Elements that are decoded: a scale may stand for many.
  private static let maximumCount = 1 << 16

  static func run(_ bytes: [UInt8]) throws(BrokenProperty) -> Bool {
    let input = QuantisedInput(bytes)
    let folder = try BrokenProperty.unlessHolds("there is a folder") { try TemporaryFolder() }
    try BrokenProperty.unlessHolds("the base is written") {
      try folder.write(input.file, to: "model.safetensors")
      try folder.write(input.config, to: "config.json")
    }
    guard let base = try? Checkpoint(folder.path), let decoded = try? base.dequantised(),
      !decoded.decoded.isEmpty
    else { return false }
    for parameter in decoded.decoded {
      guard let tensor = decoded.tensor(parameter.info.name) else {
        throw BrokenProperty("a parameter is not there")
      }
      let count = parameter.info.shape.count
      try BrokenProperty.unless(
        count <= 64 * input.file.count, "a parameter is far larger than its file")
      let whole = 0..<min(count, maximumCount)
      for range in [whole, count / 2..<min(count, count / 2 + 9), count - 1..<count] {
        try BrokenProperty.unlessHolds("what is accepted can be read") {
          _ = try tensor.contents(of: range)
        }
      }
      if count <= maximumCount { try requantise(parameter, tensor, base) }
    }
    return true
  }

  /// Other values get codes that fit into the tensors that are there.
  private static func requantise(
    _ parameter: QuantisedParameter, _ tensor: StoredTensor, _ base: Checkpoint
  ) throws(BrokenProperty) {
    guard parameter.reasonNotToRequantise == nil else { return }
    let isOutside = Guarded(false)
    let work = Requantisation(
      parameter, tileLength: 1 << 10,
      values: { range in
        doubles(try tensor.contents(of: range), tensor.info.type).map {
          $0.isFinite ? Float($0 * 1.5) : 1
        }.map { $0.isFinite ? $0 : 1 }
      },
      write: { name, place, bytes in
        let size = base.tensor(name)?.info.byteCount ?? 0
        if place < 0 || place + bytes.count > size || !parameter.made.contains(name) {
          isOutside.withLock { $0 = true }
        }
      },
      meter: { _ in })
    try BrokenProperty.unlessHolds("what can be read can be made again") {
      do { try work.run() } catch is CheckpointError {}
    }
    try BrokenProperty.unless(!isOutside.withLock(\.self), "codes beyond the end of a tensor")
  }
}

/// Changes the configuration, the header, or bytes of the tensors.
enum QuantisedMutation {
  static func mutate(
    _ bytes: [UInt8], limit: Int, _ random: inout SeededGenerator
  ) -> [UInt8]? {
    var input = QuantisedInput(bytes)
    switch Int.random(in: 0..<4, using: &random) {
    case 0: input.config = JSONMutation.mutate(input.config, &random) ?? input.config
    case 1: input.file = BinaryMutation.mutate(input.file, &random) ?? input.file
    default:
      guard let file = SafetensorsMutation.mutate(input.file, limit: limit, &random) else {
        return nil
      }
      input.file = file
    }
    return input.bytes
  }
}

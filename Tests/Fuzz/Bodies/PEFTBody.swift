import AdapterFormat
import AdapterInterop
import Operations
import Checkpoints
import Storage

/// PEFT adapters: what is converted is packed, opened and given back as it was.
enum PEFTBody {
  /// Bytes of the tensors that are written; a header can describe far more.
  private static let maximumDataByteCount: UInt64 = 4 << 20

  static func run(_ bytes: [UInt8]) throws(BrokenProperty) -> Bool {
    let input = PEFTInput(bytes)
    guard let weights = input.weights(limit: maximumDataByteCount) else { return false }
    if RawEncoder.isIn(weights) {
      guard let raw = try? RawEncoder(config: input.config, weights: weights) else { return false }
      _ = try Packing.pack(raw.adapter)
      return true
    }
    guard
      let converted = try? PEFTImport(
        config: input.config, weights: weights, choices: ImportChoices(resolve: Self.resolved))
    else {
      return false
    }
    let packed = try Packing.pack(converted.adapter)
    try BrokenProperty.unless(
      packed.operations.map(\.record) == converted.adapter.operations.map(\.record),
      "the operations have changed in the file")
    try checkReturn(of: packed, input, weights)
    return true
  }

  /// What a base of small square weights would say.
  @Sendable private static func resolved(_ targets: [Target]) -> [Target] {
    targets.map { target in
      var target = target
      target.shape = Shape([64, 64])
      target.layout = target.layout == .inOut ? .inOut : .outIn
      return target
    }
  }

  /// Both files must come back byte for byte.
  private static func checkReturn(
    of packed: Adapter, _ input: PEFTInput, _ weights: SafetensorsContents
  ) throws(BrokenProperty) {
    let record = try BrokenProperty.unlessHolds("what was converted goes back") {
      try PEFTRecord(of: packed)
    }
    guard let record else {
      throw BrokenProperty("the operations are not those that were converted")
    }
    try BrokenProperty.unless(
      Array(record.config.utf8) == input.config, "the configuration has changed")
    try BrokenProperty.unless(
      Array(record.header.text.utf8) == input.header, "the header has changed")
    for tensor in weights.header.tensors {
      let contents = try BrokenProperty.unlessHolds("every tensor goes back") {
        () throws(FormatError) in
        try packed.contents(of: tensor.info.name)
      }
      try BrokenProperty.unless(
        contents.count == tensor.info.byteCount && contents.allSatisfy { $0 == 0 },
        "a tensor has changed")
    }
  }
}

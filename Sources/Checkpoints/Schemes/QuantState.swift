internal import Storage
internal import StrictJSON

/// The JSON text that bitsandbytes keeps in a tensor of bytes.
struct QuantState {
  let kind: String
  let blockSize: Int
  let type: ElementType
  let shape: [Int]
  let nested: (blockSize: Int, offset: Float)?
  let text: [UInt8]

  private static let keys: Set<Name> = [
    "quant_type", "blocksize", "dtype", "shape", "nested_blocksize", "nested_dtype",
    "nested_offset",
  ]
  private static let blockSizes = [32, 64, 128, 256, 512, 1024, 2048, 4096]

  init(
    _ state: Name, of name: Name, _ scheme: QuantisationScheme, in checkpoint: Checkpoint
  ) throws(CheckpointError) {
    func fault(_ reason: String) -> CheckpointError { .quantised(name, scheme, reason) }
    guard let tensor = checkpoint.tensor(state), tensor.info.type == .u8,
      tensor.info.byteCount <= 1 << 16
    else { throw fault("\(state) is missing, or not a text") }
    let bytes = try storing { () throws(StorageError) in try tensor.contents() }
    text = bytes
    guard case .object(let members)? = try? JSONValue(document: bytes, maximumDepth: 4) else {
      throw fault("\(state) is not a JSON object")
    }
    let fields = Dictionary(members.map { ($0.key, $0.value) }) { first, _ in first }
    if let unknown = members.first(where: { !Self.keys.contains($0.key) }) {
      throw fault("\(state) has the unknown key \(unknown.key)")
    }
    guard case .string(let kind)? = fields["quant_type"],
      let size = fields["blocksize"]?.double.flatMap({ Int(exactly: $0) }),
      Self.blockSizes.contains(size)
    else { throw fault("\(state) has no quant_type or blocksize that is known") }
    guard case .string(let word)? = fields["dtype"],
      let type = ["bfloat16": ElementType.bf16, "float16": .f16, "float32": .f32][word]
    else { throw fault("\(state) has no dtype that is known") }
    guard case .array(let sizes)? = fields["shape"], (1...8).contains(sizes.count) else {
      throw fault("\(state) has no shape")
    }
    let shape = sizes.compactMap { $0.double.flatMap { Int(exactly: $0) } }.filter { $0 > 0 }
    guard shape.count == sizes.count else { throw fault("\(state) has a shape that is not one") }
    (self.kind, blockSize, self.type, self.shape) = (kind, size, type, shape)
    guard let nestedSize = fields["nested_blocksize"] else {
      nested = nil
      return
    }
    guard let size = nestedSize.double.flatMap({ Int(exactly: $0) }), (1...1 << 20).contains(size),
      let offset = fields["nested_offset"]?.double, offset.isFinite
    else { throw fault("\(state) has no nested_blocksize or nested_offset that is a number") }
    nested = (size, Float(offset))
  }

  /// The text with another offset, in as many bytes: shapes of tensors stay.
  static func text(_ text: [UInt8], withOffset offset: Float) -> [UInt8]? {
    let whole = String(decoding: text, as: UTF8.self)
    guard let key = whole.firstRange(of: "\"nested_offset\":"),
      let end = whole[key.upperBound...].firstIndex(where: { ",}".contains($0) })
    else { return nil }
    // The rest of a longer number is white space.
    let number = "\(offset)"
    let padding = whole[key.upperBound..<end].utf8.count - number.utf8.count
    guard padding >= 0 else { return nil }
    return Array(
      (whole[..<key.upperBound] + String(repeating: " ", count: padding) + number + whole[end...])
        .utf8)
  }
}

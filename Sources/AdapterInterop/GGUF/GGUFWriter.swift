internal import Storage

/// Writes a GGUF file, version 3, in one pass.
struct GGUFWriter: Sendable {
  let metadata: [(key: String, value: GGUFValue)]
  let tensors: [Tensor]

  private static let alignment = 32

  /// A tensor whose bytes are made when it is written.
  struct Tensor: Sendable {
    let name: String
    /// Row-major.
    let shape: [Int]
    let type: GGUFType
    let bytes: @Sendable () throws -> [UInt8]

    var byteCount: Int { shape.reduce(1, *) * type.elementType.bitWidth / 8 }
  }

  func write(to output: OutputFile) throws {
    try output.write(header)
    for tensor in tensors { try output.write(Self.padded(try tensor.bytes())) }
  }

  private var header: [UInt8] {
    var bytes = Array("GGUF".utf8)
    bytes.append(UInt32(3))
    bytes.append(UInt64(tensors.count))
    bytes.append(UInt64(metadata.count))
    for (key, value) in metadata {
      bytes.append(key)
      bytes.append(value)
    }
    var offset = 0
    for tensor in tensors {
      bytes.append(tensor.name)
      bytes.append(UInt32(tensor.shape.count))
      for size in tensor.shape.reversed() { bytes.append(UInt64(size)) }
      bytes.append(tensor.type.rawValue)
      bytes.append(UInt64(offset))
      offset += (tensor.byteCount + Self.alignment - 1) / Self.alignment * Self.alignment
    }
    return Self.padded(bytes)
  }

  private static func padded(_ bytes: [UInt8]) -> [UInt8] {
    let rest = bytes.count % alignment
    return rest == 0 ? bytes : bytes + Array(repeating: 0, count: alignment - rest)
  }
}

extension [UInt8] {
  /// A little-endian integer.
  fileprivate mutating func append<Value: FixedWidthInteger>(_ value: Value) {
    for shift in stride(from: 0, to: Value.bitWidth, by: 8) {
      append(UInt8(truncatingIfNeeded: value >> Value(shift)))
    }
  }

  fileprivate mutating func append(_ text: String) {
    append(UInt64(text.utf8.count))
    append(contentsOf: text.utf8)
  }

  /// A value with its type; of those that are written.
  fileprivate mutating func append(_ value: GGUFValue) {
    switch value {
    case .string(let text):
      append(UInt32(8))
      append(text)
    case .float32(let number):
      append(UInt32(6))
      append(number.bitPattern)
    case .unsigned(let number):
      append(UInt32(4))
      append(UInt32(clamping: number))
    case .signed, .float64, .boolean, .array: break
    }
  }
}

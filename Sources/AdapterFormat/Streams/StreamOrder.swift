internal import Storage
internal import StrictJSON

/// In which order tensors become a stream: any order is a valid one, but a chunk compresses best where its numbers
/// are of one size, because they then have the same few exponents.
enum StreamOrder {
  static func ordered(
    _ tensors: [TensorContents], _ type: ElementType, _ level: CompressionLevel
  ) throws(FormatError) -> [TensorContents] {
    let alike = byKind(tensors)
    guard level == .max, PlaneCodec(type).isRotated else { return alike }
    let means = try alike.concurrentMap { tensor throws(FormatError) in try meanExponent(tensor) }
    return alike.indices.sorted { (means[$0], $0) < (means[$1], $1) }.map { alike[$0] }
  }

  /// Tensors with the same place in different layers, such as all `lora_A` of `q_proj`, stand together, otherwise in
  /// the given order: their names differ in numbers only.
  private static func byKind(_ tensors: [TensorContents]) -> [TensorContents] {
    var kinds: [Name: Int] = [:]
    let numbers = tensors.map { tensor in
      let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
      let bytes = tensor.info.name.text.utf8.filter { !digits.contains($0) }
      let kind = Name(String(decoding: bytes, as: UTF8.self))
      let number = kinds[kind] ?? kinds.count
      kinds[kind] = number
      return number
    }
    return tensors.indices.sorted { (numbers[$0], $0) < (numbers[$1], $1) }.map { tensors[$0] }
  }

  /// The mean of the top plane, which holds exponents.
  private static func meanExponent(_ tensor: TensorContents) throws(FormatError) -> Double {
    let (width, count) = (PlaneCodec(tensor.info.type).width, tensor.info.byteCount)
    var (sum, done) = (0, 0)
    while done < count {
      let piece = try storing { () throws(StorageError) in
        try tensor.bytes.bytes(
          at: tensor.offset + UInt64(done), count: min(1 << 20, count - done))
      }
      // The unit rotated by one bit: the sign goes, the highest bit of the byte below comes.
      for top in stride(from: width - 1, to: piece.count, by: width) {
        sum &+= Int(piece[top] &<< 1 | piece[top - 1] &>> 7)
      }
      done += piece.count
    }
    return count == 0 ? 0 : Double(sum) / Double(count / width)
  }
}

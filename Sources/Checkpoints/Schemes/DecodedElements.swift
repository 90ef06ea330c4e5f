internal import Storage

/// Elements that a scheme decodes, in the float type that the scheme's library gives: each is worked out in F32, and
/// rounded once.
struct DecodedElements: Sendable {
  let scheme: QuantisationScheme
  let type: ElementType
  let elements: any QuantisedElements

  init(_ parameter: QuantisedParameter) {
    (scheme, type, elements) = (parameter.scheme, parameter.info.type, parameter.elements)
  }

  /// Elements that are decoded at a time.
  private static let runLength = 1 << 14

  func read(
    _ range: Range<Int>, into memory: UnsafeMutableRawBufferPointer
  ) throws(StorageError) {
    let width = type.bitWidth / 8
    let scratch = ScratchMemory()
    for start in stride(from: range.lowerBound, to: range.upperBound, by: Self.runLength) {
      let run = start..<min(range.upperBound, start + Self.runLength)
      let place = (start - range.lowerBound) * width
      let target = unsafe UnsafeMutableRawBufferPointer(
        rebasing: memory[place..<place + run.count * width])
      let values = unsafe scratch.bytes(count: run.count * 4).bindMemory(to: Float.self)
      try unsafe elements.read(run, into: values)
      unsafe Self.round(values, to: type, into: target)
    }
  }

  private static func round(
    _ values: UnsafeMutableBufferPointer<Float>, to type: ElementType,
    into memory: UnsafeMutableRawBufferPointer
  ) {
    switch type {
    case .bf16: unsafe BrainFloat.round(values, into: memory)
    case .f16: unsafe HalfFloats.round(values, into: memory)
    default:
      for index in 0..<values.count {
        let unit = unsafe values[index].bitPattern.littleEndian
        unsafe memory.storeBytes(of: unit, toByteOffset: 4 * index, as: UInt32.self)
      }
    }
  }
}

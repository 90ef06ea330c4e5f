internal import CPlatform

/// Codes of four bits, two in a byte, that stand for the values of a table.
struct NibbleTable: Sendable {
  /// Sixteen values.
  let values: [Float]
  /// True if the upper four bits of a byte are the first element.
  let isUpperFirst: Bool

  /// The values of elements times a scale.
  ///
  /// - Parameters:
  ///   - run: which elements.
  ///   - bytes: their codes.
  ///   - first: the byte of the parameter that these begin with.
  ///   - scale: the factor.
  ///   - target: takes the values; it is as long as the run.
  func decode(
    _ run: Range<Int>, _ bytes: UnsafeBufferPointer<UInt8>, from first: Int, times scale: Float,
    into target: UnsafeMutableBufferPointer<Float>
  ) {
    precondition(values.count == 16 && target.count == run.count && run.lowerBound / 2 >= first)
    precondition((run.upperBound + 1) / 2 - first <= bytes.count)
    // A word begins with a byte, at an even element.
    let start = min(run.upperBound, run.lowerBound + run.lowerBound % 2)
    let words = (run.upperBound - start) / 8
    for part in [run.lowerBound..<start, start + 8 * words..<run.upperBound] {
      for index in part {
        let byte = unsafe bytes[index / 2 - first]
        let code = (index % 2 == 0) == isUpperFirst ? byte >> 4 : byte & 15
        unsafe target[index - run.lowerBound] = values[Int(code)] * scale
      }
    }
    guard words > 0, let source = bytes.baseAddress, let result = target.baseAddress else { return }
    unsafe values.withUnsafeBufferPointer { table in
      guard let table = table.baseAddress else { return }
      unsafe platform_table(
        source + (start / 2 - first), words, isUpperFirst ? 1 : 0, table, scale,
        result + (start - run.lowerBound))
    }
  }
}

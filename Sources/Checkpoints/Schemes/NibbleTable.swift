internal import CPlatform
internal import Storage

/// Codes of four bits, two in a byte, that stand for the values of a table.
struct NibbleTable: Sendable {
  /// Sixteen values.
  let table: [Float]
  /// True if the upper four bits of a byte are the first element.
  let isUpperFirst: Bool

  /// Reads elements: each is the value of its code times the scale of its block.
  ///
  /// - Parameters:
  ///   - range: which elements.
  ///   - codes: those of the parameter.
  ///   - size: elements of a block.
  ///   - scales: those of the blocks that the elements are of.
  ///   - values: takes the values; it is as long as the range.
  /// - Throws: `StorageError` where the file cannot be read.
  func read(
    _ range: Range<Int>, from codes: FileRange, blocksOf size: Int, times scales: [Float],
    into values: UnsafeMutableBufferPointer<Float>
  ) throws(StorageError) {
    let (first, firstBlock) = (range.lowerBound / 2, range.lowerBound / size)
    let bytes = try codes.contents(first..<(range.upperBound + 1) / 2)
    unsafe bytes.withUnsafeBufferPointer { bytes in
      for (number, scale) in scales.enumerated() {
        let block = (firstBlock + number) * size..<(firstBlock + number + 1) * size
        let run = block.clamped(to: range)
        let place = run.lowerBound - range.lowerBound
        unsafe decode(
          run, bytes, from: first, times: scale,
          into: UnsafeMutableBufferPointer(rebasing: values[place..<place + run.count]))
      }
    }
  }

  /// The values of elements times a scale.
  ///
  /// - Parameters:
  ///   - run: which elements.
  ///   - bytes: their codes.
  ///   - first: the byte of the parameter that these begin with.
  ///   - scale: the factor.
  ///   - target: takes the values; it is as long as the run.
  private func decode(
    _ run: Range<Int>, _ bytes: UnsafeBufferPointer<UInt8>, from first: Int, times scale: Float,
    into target: UnsafeMutableBufferPointer<Float>
  ) {
    precondition(table.count == 16 && target.count == run.count && run.lowerBound / 2 >= first)
    precondition((run.upperBound + 1) / 2 - first <= bytes.count)
    // A word begins with a byte, at an even element.
    let start = min(run.upperBound, run.lowerBound + run.lowerBound % 2)
    let words = (run.upperBound - start) / 8
    for part in [run.lowerBound..<start, start + 8 * words..<run.upperBound] {
      for index in part {
        let byte = unsafe bytes[index / 2 - first]
        let code = (index % 2 == 0) == isUpperFirst ? byte >> 4 : byte & 15
        unsafe target[index - run.lowerBound] = table[Int(code)] * scale
      }
    }
    guard words > 0, let source = bytes.baseAddress, let result = target.baseAddress else { return }
    unsafe table.withUnsafeBufferPointer { table in
      guard let table = table.baseAddress else { return }
      unsafe platform_table(
        source + (start / 2 - first), words, isUpperFirst ? 1 : 0, table, scale,
        result + (start - run.lowerBound))
    }
  }
}

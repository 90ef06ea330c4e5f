internal import CPlatform
internal import Storage

/// The codes of some outputs of a matrix whose words are packed across to its rows, turned so that those of one output
/// follow each other, dense along the inputs; and the scales and zeros of their groups.
struct ColumnPanel: Sendable {
  /// Which outputs.
  let outputs: Range<Int>
  /// The word of an output's row in which the codes begin.
  private let firstWord: Int
  private let bits: Int
  /// [outputs, wordCount], the last word of each without codes.
  private let words: [UInt32]
  private let wordCount: Int
  /// [outputs, groups].
  private let scales: [Float]
  private let zeros: [Float]
  /// Which groups.
  private let groups: ClosedRange<Int>

  /// - Parameters:
  ///   - outputs: which outputs.
  ///   - firstWord: the word of an output's row in which they begin.
  ///   - bits: of a code.
  ///   - words: [outputs, words], with one more than the codes of an output need.
  ///   - groups: which groups.
  ///   - numbers: the scales and the zeros of a group.
  /// - Throws: what `numbers` throws.
  init(
    _ outputs: Range<Int>, firstWord: Int, bits: Int, words: [UInt32], groups: ClosedRange<Int>,
    numbers: (_ group: Int) throws(StorageError) -> (scales: [Float], zeros: [Float])
  ) throws(StorageError) {
    (self.outputs, self.firstWord, self.bits) = (outputs, firstWord, bits)
    (self.words, self.groups) = (words, groups)
    wordCount = words.count / outputs.count
    let empty = [Float](repeating: 0, count: outputs.count * groups.count)
    var (scales, zeros) = (empty, empty)
    for group in groups {
      let (scale, zero) = try numbers(group)
      for output in 0..<outputs.count {
        let place = output * groups.count + group - groups.lowerBound
        (scales[place], zeros[place]) = (scale[output], zero[output])
      }
    }
    (self.scales, self.zeros) = (scales, zeros)
  }

  /// The scale of an output's group, and its zero.
  private func numbers(_ output: Int, _ group: Int) -> (scale: Float, zero: Float) {
    let place = (output - outputs.lowerBound) * groups.count + group - groups.lowerBound
    return (scales[place], zeros[place])
  }

  /// The values of some inputs for an output, all of one group.
  func decode(
    _ output: Int, _ inputs: Range<Int>, _ group: Int, into values: UnsafeMutablePointer<Float>
  ) {
    let (scale, zero) = numbers(output, group)
    // Bits of the words that there are.
    let first = inputs.lowerBound * bits - 32 * firstWord
    precondition(first >= 0 && first + inputs.count * bits <= (wordCount - 1) * 32)
    let (mask, start) = (UInt64(1) << UInt64(bits) - 1, (output - outputs.lowerBound) * wordCount)
    unsafe words.withUnsafeBufferPointer { words in
      guard let base = words.baseAddress else { return }
      let row = unsafe base + start
      var place = 0
      while place < inputs.count {
        let bit = first + place * bits
        let count = (inputs.count - place) / 8
        if bits == 4, bit.isMultiple(of: 32), count > 0 {
          unsafe platform_nibbles(row + bit / 32, count, scale, zero, values + place)
          place += 8 * count
          continue
        }
        // A code may go on in the next word.
        let pair = unsafe UInt64(row[bit / 32]) | UInt64(row[bit / 32 + 1]) << 32
        unsafe values[place] = scale * (Float(pair >> UInt64(bit % 32) & mask) - zero)
        place += 1
      }
    }
  }
}

// MARK: - Turning words

extension ColumnPanel {
  /// Words of GPTQ, [rows, outputs], as [outputs, rows + 1].
  static func turned(dense words: [UInt32], rows: Int, outputs: Int) -> [UInt32] {
    var result = [UInt32](repeating: 0, count: outputs * (rows + 1))
    // A cache line of each row at a time.
    let block = 16
    unsafe words.withUnsafeBufferPointer { words in
      unsafe result.withUnsafeMutableBufferPointer { result in
        for first in stride(from: 0, to: rows, by: block) {
          let last = min(first + block, rows)
          for output in 0..<outputs {
            for row in first..<last {
              unsafe result[output &* (rows &+ 1) &+ row] = words[row &* outputs &+ output]
            }
          }
        }
      }
    }
    return result
  }

  /// Words of AWQ, [inputs, width], each with a nibble of eight outputs, as [outputs, inputs / 8 + 1] with those of eight
  /// inputs. Eight words that lie beside each other are worked on at once; `width` is a multiple of that.
  static func turned(
    across words: [UInt32], inputs: Int, width: Int, outputs: Int, places: [Int]
  ) -> [UInt32] {
    let count = (inputs + 7) / 8 + 1
    var result = [UInt32](repeating: 0, count: outputs * count)
    unsafe words.withUnsafeBytes { words in
      for column in stride(from: 0, to: width, by: 8) {
        for block in 0..<count - 1 {
          let inputs = 8 * block..<min(inputs, 8 * block + 8)
          for (output, place) in places.enumerated() {
            var turned = SIMD8<UInt32>.zero
            for input in inputs {
              let eight = unsafe words.loadUnaligned(
                fromByteOffset: 4 * (input * width + column), as: SIMD8<UInt32>.self)
              let nibbles = eight &>> UInt32(4 * place) & SIMD8(repeating: 15)
              turned |= nibbles &<< UInt32(4 * (input - 8 * block))
            }
            for lane in 0..<8 where (column + lane) * 8 + output < outputs {
              result[((column + lane) * 8 + output) * count + block] = turned[lane]
            }
          }
        }
      }
    }
    return result
  }
}

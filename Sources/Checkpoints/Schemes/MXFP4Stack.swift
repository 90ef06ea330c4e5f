internal import Storage
internal import StrictJSON

/// gpt-oss' MXFP4: `P_blocks` [E, out, in / 32, 16] of two codes each, low nibble first, and `P_scales` [E, out, in / 32],
/// the exponents. The parameter is the transpose, [E, in, out].
///
/// A matrix is stored across to how it is read, so the codes of one expert are kept, those that were read last.
struct MXFP4Stack: QuantisedElements {
  private let codes: FileRange
  private let exponents: FileRange
  private let inputs: Int
  private let outputs: Int
  private let name: Name
  private let recent: RecentParts<Expert>

  struct Expert: Sendable {
    let codes: [UInt8]
    let exponents: [UInt8]
  }

  var sources: [FileRange] { [codes, exponents] }

  static func parameter(
    _ name: Name, _ memory: DecodingMemory, in checkpoint: Checkpoint
  ) throws(CheckpointError) -> QuantisedParameter {
    let scheme = QuantisationScheme.mxfp4
    let (blocks, scales) = (Name("\(name)_blocks"), Name("\(name)_scales"))
    guard let tensor = checkpoint.tensor(blocks), tensor.info.type == .u8,
      let codes = tensor.fileRange
    else { throw .quantised(name, scheme, "\(blocks) is missing, or not of bytes") }
    let shape = tensor.info.shape.dimensions
    guard shape.count == 4, shape[3] == 16, tensor.info.shape.count > 0 else {
      throw .quantised(
        name, scheme, "\(blocks) has the shape \(tensor.info.shape), not [E, out, in / 32, 16]")
    }
    let exponents = try StoredNumbers(
      scales, [.u8], shape: Array(shape.dropLast()), of: name, scheme, in: checkpoint)
    let (inputs, outputs) = (32 * shape[2], shape[1])
    return QuantisedParameter(
      info: try TensorInfo(name, .bf16, [shape[0], inputs, outputs], of: scheme), scheme: scheme,
      codes: blocks, companions: [scales],
      elements: MXFP4Stack(
        codes: codes, exponents: exponents.bytes, inputs: inputs, outputs: outputs, name: name,
        recent: memory.experts))
  }

  private func expert(_ index: Int) throws(StorageError) -> Expert {
    let (size, count) = (inputs / 2 * outputs, inputs / 32 * outputs)
    return try recent.part(index, of: name) { () throws(StorageError) in
      Expert(
        codes: try codes.contents(index * size..<(index + 1) * size),
        exponents: try exponents.contents(index * count..<(index + 1) * count))
    }
  }

  func read(
    _ range: Range<Int>, into values: UnsafeMutableBufferPointer<Float>
  ) throws(StorageError) {
    let size = inputs * outputs
    var place = range.lowerBound
    while place < range.upperBound {
      let (index, inner) = place.quotientAndRemainder(dividingBy: size)
      let expert = try expert(index)
      let end = min(range.upperBound, (index + 1) * size)
      unsafe fill(place..<end, inner, expert, from: range.lowerBound, values)
      place = end
    }
  }

  private func fill(
    _ part: Range<Int>, _ inner: Int, _ expert: Expert, from start: Int,
    _ values: UnsafeMutableBufferPointer<Float>
  ) {
    var (input, output) = inner.quotientAndRemainder(dividingBy: outputs)
    unsafe expert.codes.withUnsafeBufferPointer { codes in
      unsafe expert.exponents.withUnsafeBufferPointer { exponents in
        unsafe FloatTables.e2m1.withUnsafeBufferPointer { table in
          unsafe FloatTables.e8m0.withUnsafeBufferPointer { powers in
            for index in part {
              let byte = unsafe codes[output * (inputs / 2) + input / 2]
              let code = input % 2 == 0 ? byte & 15 : byte >> 4
              let exponent = unsafe exponents[output * (inputs / 32) + input / 32]
              unsafe values[index - start] = table[Int(code)] * powers[Int(exponent)]
              output += 1
              if output == outputs { (input, output) = (input + 1, 0) }
            }
          }
        }
      }
    }
  }
}

package import AdapterFormat
internal import Storage

/// About how much work and memory something takes, told from shapes alone, before anything is read. A file of a
/// few bytes can stand for tensors that are a thousand times as long, and an operation for a weight that is longer
/// again; so what such a file is worth is settled first.
package struct Effort: Sendable {
  /// In multiplications of a matrix product, of which a processor does some ten in a nanosecond.
  package var work = 0.0
  /// Bytes that are in memory at the same time.
  package var bytes = 0.0

  package init() {}

  package static func + (left: Effort, right: Effort) -> Effort {
    var sum = Effort()
    sum.work = left.work + right.work
    sum.bytes = left.bytes + right.bytes
    return sum
  }
}

extension Effort {
  /// A byte that is read, checked, decoded and widened.
  private static let decoding = 64.0
  /// One element in a loop that is no matrix product.
  package static let looping = 128.0
  /// What inputs below a mebibyte are worth: some seconds of work.
  private static let freeWork = 0x1p36
  private static let freeInput = 0x1p20
  /// What every byte beyond that is worth: more than trained adapters ever need.
  private static let workPerByte = 0x1p18

  /// Bytes that one thread may take for nothing.
  package static let freeMemory = 0x3p24

  /// The most work that inputs of so many bytes are worth.
  package static func limit(inputs: UInt64) -> Double {
    freeWork + workPerByte * max(0, Double(inputs) - freeInput)
  }

  /// Loading the operands of an operation as numbers of so many bytes.
  package init(loading operation: Operation, of adapter: Adapter, scalar: Double) {
    for operand in operation.operands {
      guard let info = adapter.tensor(operand.tensor) else { continue }
      let count = operand.window?.map { Double($0.count) }.reduce(1, *) ?? Double(info.shape.count)
      work += Self.decoding * Double(info.byteCount)
      // The tensor as it is restored, and as numbers, whole first and then in its window.
      bytes += Double(info.byteCount) + scalar * Double(info.shape.count)
      if operand.window != nil { bytes += scalar * count }
    }
  }
}

// MARK: - Changing a weight

extension ParameterChange {
  /// What it takes to change a tensor of so many elements.
  package func effort(elements: Int) -> Effort {
    var effort = Effort(loading: operation, of: adapter, scalar: needsDouble ? 8 : 4)
    effort.work += operation.workPerElement * Double(elements) + operation.workAhead
    return effort
  }
}

extension [ParameterChange] {
  /// Refuses changes of one tensor that take more memory than the adapters' files and the tensor are worth.
  ///
  /// - Parameters:
  ///   - elements: how many the tensor has.
  ///   - name: of the tensor.
  /// - Throws: `FormatError.excess`.
  package func checkMemory(elements: Int, of name: String) throws(FormatError) {
    let bytes = reduce(0) { $0 + $1.effort(elements: 0).bytes }
    let files = reduce(0) { Swift.max($0, Double($1.adapter.storedByteCount)) }
    guard bytes <= Effort.freeMemory + 8 * files + 112 * Double(elements) else {
      throw .excess("what is done to \(name) needs \(Int(bytes.rounded())) bytes at once")
    }
  }
}

extension Operation {
  /// Multiplications of a matrix product for each element of the weight.
  package var workPerElement: Double {
    switch self {
    case .addLowRank(let low): Double(low.a.shape.first ?? 0) + Effort.looping
    case .addNormalisedLowRank(let low): Double(low.a.shape[0]) + Effort.looping
    case .scaleLowRank(let low): Double(low.a.shape[0]) + Effort.looping
    case .addGroupedLowRank(let low): Double(low.a.shape[0] * low.a.shape[2]) + Effort.looping
    case .addSpectral(let spectrum): 2 * Double(spectrum.spectrum.count) + Effort.looping
    case .addHadamard(let hadamard):
      Double(hadamard.first.rank + hadamard.second.rank) + 2 * Effort.looping
    case .addKronecker(let product):
      Double((product.left.pair?.rank ?? 0) + (product.right.pair?.rank ?? 0)) + 2 * Effort.looping
    case .addBlocks(let blocks):
      blocks.blocks.shape.count == 3
        ? Double(blocks.blocks.shape[1]) + Effort.looping : 2 * Effort.looping
    case .rotateInput(let rotation): Double(rotation.blockSize ?? 0) + Effort.looping
    case .rotateButterfly(let rotation):
      rotation.generators.shape.first.map {
        Double($0) * (Double(rotation.generators.shape.last ?? 0) + Effort.looping)
      } ?? 0
    case .reflectInput(let rotation): 4 * Double(rotation.vectors.shape.last ?? 0) + Effort.looping
    case .addCirculant: 4 * Effort.looping
    default: Effort.looping
    }
  }

  /// Work before the first element.
  package var workAhead: Double {
    switch self {
    case .rotateInput(let rotation):
      let size = Double(rotation.blockSize ?? 0)
      return Double(rotation.generator.shape.first ?? 0) * size * size
        * (size * Double(max(4, rotation.terms)) + Effort.looping)
    case .rotateButterfly(let rotation):
      let size = Double(rotation.generators.shape.last ?? 0)
      return Double(rotation.generators.count) * (4 * size + Effort.looping)
    case .reflectInput(let rotation):
      return rotation.isOrthogonal
        ? Double(rotation.vectors.count) * Double(rotation.vectors.shape.last ?? 0) * 16 : 0
    case .addSpectral(let spectrum):
      // Of a large weight all of the shuffle is drawn.
      let size = spectrum.weight.shape.map { Double($0.count) } ?? 0
      return Effort.looping * (Double(spectrum.spectrum.count) + (size >= 0x1p27 ? size : 0))
    case .addSparse(let sparse): return 8 * Effort.looping * Double(sparse.values.count)
    default: return 0
    }
  }

  /// The rank and the size, out + in, of a change that is a product of two factors, and the elements of these.
  package var product: (rank: Double, size: Double)? {
    switch self {
    case .addLowRank(let low):
      return (Double(low.rank), Double(low.inputCount) + Double(low.outputCount))
    case .scaleLowRank(let low):
      return (
        Double(low.a.shape[0]),
        Double(low.a.shape.dropFirst().reduce(1, *)) + Double(low.b.shape[0])
      )
    case .addNormalisedLowRank(let low):
      return (Double(low.a.shape[0]), Double(low.a.shape[1]) + Double(low.b.shape[0]))
    case .addGroupedLowRank(let low):
      let (groups, width, rank) = (low.a.shape[0], low.a.shape[1], low.a.shape[2])
      return (Double(groups * rank), Double(groups) * Double(width + low.b.shape[2]))
    case .addSpectral(let spectrum):
      let shape = logicalShape?.dimensions ?? []
      return (2 * Double(spectrum.spectrum.count), shape.reduce(0) { $0 + Double($1) })
    case .addHadamard(let hadamard):
      let shape = hadamard.first.shape
      let (height, width) = (Double(shape[0]), shape.dropFirst().reduce(1) { $0 * Double($1) })
      let rank = Double(hadamard.first.rank) * Double(hadamard.second.rank)
      // Of a higher rank it is worked out element by element.
      return rank <= min(height, width) / 2 ? (rank, height + width) : nil
    default: return nil
    }
  }
}

internal import Storage
internal import StrictJSON

/// A matrix that is stored quantised as [out, in], and is [in, out] in the model: bitsandbytes turns the `Conv1D` of GPT-2
/// and its kin into a linear layer.
///
/// Written as it is stored, the square ones would load with the wrong values.
struct TransposedMatrix: QuantisedElements {
  private let stored: any QuantisedElements
  private let name: Name
  private let outputs: Int
  private let inputs: Int
  private let panels: RecentParts<[Float]>

  /// Inputs of a panel.
  private static let panelWidth = 64

  var errorBound: Double { stored.errorBound }

  var sources: [FileRange] { stored.sources }

  /// The parameter as the model has it.
  static func parameter(
    _ stored: QuantisedParameter, _ memory: DecodingMemory
  ) throws(CheckpointError) -> QuantisedParameter {
    let shape = stored.info.shape.dimensions
    guard shape.count == 2 else { return stored }
    return QuantisedParameter(
      info: try TensorInfo(
        stored.info.name, stored.info.type, shape.reversed(), of: stored.scheme),
      scheme: stored.scheme, codes: stored.codes, companions: stored.companions,
      elements: TransposedMatrix(
        stored: stored.elements, name: stored.info.name, outputs: shape[0], inputs: shape[1],
        panels: memory.panels))
  }

  var reasonNotToRequantise: String? { "a Conv1D that is stored transposed is not made again" }

  var made: [Name] { [] }

  func requantise(_ work: Requantisation) throws {}

  func read(
    _ range: Range<Int>, into values: UnsafeMutableBufferPointer<Float>
  ) throws(StorageError) {
    try forEachRow(of: range, columns: outputs) {
      (input, output, part) throws(StorageError) in
      guard range.count > DecodingMemory.sampleCount else {
        for offset in 0..<part.count {
          let place = (output + offset) * inputs + input
          let index = part.lowerBound - range.lowerBound + offset
          try unsafe stored.read(
            place..<place + 1,
            into: UnsafeMutableBufferPointer(rebasing: values[index..<index + 1]))
        }
        return
      }
      let number = input / Self.panelWidth
      let panel = try panels.part(number, of: name) { () throws(StorageError) in
        try decoded(number)
      }
      let start = (input - number * Self.panelWidth) * outputs + output
      unsafe copyPanel(
        panel, from: start, count: part.count, to: values, at: part.lowerBound - range.lowerBound)
    }
  }

  /// The values of some inputs, [in, out].
  private func decoded(_ number: Int) throws(StorageError) -> [Float] {
    let first = number * Self.panelWidth
    let width = min(Self.panelWidth, inputs - first)
    var result = [Float](repeating: 0, count: width * outputs)
    let scratch = ScratchMemory()
    let column = unsafe scratch.bytes(count: 4 * width).bindMemory(to: Float.self)
    for output in 0..<outputs {
      let start = output * inputs + first
      try unsafe stored.read(start..<start + width, into: column)
      for input in 0..<width { unsafe result[input * outputs + output] = column[input] }
    }
    return result
  }
}

internal import RealModule

/// One direction of one layer of `torch.nn.LSTM`: gates i, f, g, o; both biases; begins with zeros.
struct LSTMCell {
  let inputWeight: EncoderMatrix
  let hiddenWeight: EncoderMatrix
  let inputBias: EncoderMatrix
  let hiddenBias: EncoderMatrix

  func run(_ sequence: EncoderMatrix, backwards: Bool) throws -> EncoderMatrix {
    let size = hiddenWeight.columns
    guard hiddenWeight.rows == 4 * size, inputWeight.rows == 4 * size, size > 0 else {
      throw InteropError.tensors("the prompt encoder's LSTM has no four gates")
    }
    let inputs = try sequence.times(transposed: inputWeight, plus: inputBias)
    var (hidden, cell) = (Self.zeros(size), [Double](repeating: 0, count: size))
    var outputs = [EncoderMatrix](repeating: hidden, count: sequence.rows)
    let steps = backwards ? Array((0..<sequence.rows).reversed()) : Array(0..<sequence.rows)
    for step in steps {
      let recurrent = try hidden.times(transposed: hiddenWeight, plus: hiddenBias).values
      let gates = zip(inputs.row(step).values, recurrent).map { $0 + $1 }
      var next: [Double] = []
      for unit in 0..<size {
        let (input, forget) = (Self.sigmoid(gates[unit]), Self.sigmoid(gates[size + unit]))
        cell[unit] = forget * cell[unit] + input * EncoderMatrix.tanh(gates[2 * size + unit])
        next.append(Self.sigmoid(gates[3 * size + unit]) * EncoderMatrix.tanh(cell[unit]))
      }
      hidden = Self.row(next)
      outputs[step] = hidden
    }
    return EncoderMatrix.stack(outputs, columns: size)
  }

  private static func zeros(_ count: Int) -> EncoderMatrix {
    row(Array(repeating: 0, count: count))
  }

  private static func row(_ values: [Double]) -> EncoderMatrix {
    EncoderMatrix(rows: 1, columns: values.count, values: values)
  }

  private static func sigmoid(_ value: Double) -> Double { 1 / (1 + Double.exp(-value)) }
}

internal import Checkpoints
internal import Foundation
internal import Storage

/// A matrix of an encoder, in F64; a vector is one row.
struct RawMatrix {
  let rows: Int
  let columns: Int
  private(set) var values: [Double]

  private init(rows: Int, columns: Int, values: [Double]) {
    self.rows = rows
    self.columns = columns
    self.values = values
  }

  /// Elements of an encoder's tensor, at most.
  private static let maximumCount = 1 << 28

  init(_ tensor: SafetensorsHeader.Tensor, in file: SafetensorsContents) throws(InteropError) {
    let (info, shape) = (tensor.info, tensor.info.shape.dimensions)
    guard (1...2).contains(shape.count), info.shape.count <= Self.maximumCount else {
      throw .tensors("tensor \(info.name) has shape \(info.shape), which no encoder has")
    }
    let bytes = try storing { () throws(StorageError) in
      try file.bytes.bytes(at: file.offset(of: tensor), count: info.byteCount)
    }
    let values: [Double]? =
      switch info.type {
      case .f32: Self.elements(bytes) { (unit: UInt32) in Double(Float(bitPattern: unit)) }
      case .bf16:
        Self.elements(bytes) { (unit: UInt16) in Double(Float(bitPattern: UInt32(unit) << 16)) }
      case .f16: Self.elements(bytes) { (unit: UInt16) in Double(Float16(bitPattern: unit)) }
      case .f64: Self.elements(bytes) { (unit: UInt64) in Double(bitPattern: unit) }
      default: nil
      }
    guard let values else {
      throw .tensors("tensor \(info.name) is \(info.type.rawValue), not F16, BF16, F32 or F64")
    }
    self.init(
      rows: shape.count == 2 ? shape[0] : 1, columns: shape.last ?? 0, values: values)
  }

  private static func elements<Unit: FixedWidthInteger>(
    _ bytes: [UInt8], _ body: (Unit) -> Double
  ) -> [Double] {
    let width = MemoryLayout<Unit>.size
    return stride(from: 0, to: bytes.count, by: width).map { start in
      body(bytes[start..<start + width].reversed().reduce(0) { $0 << 8 | Unit($1) })
    }
  }

  /// The values as F32, little-endian.
  var bytes: [UInt8] {
    values.flatMap { value in
      let bits = Float(value).bitPattern
      return (0..<4).map { UInt8(truncatingIfNeeded: bits >> (8 * $0)) }
    }
  }

  static func tanh(_ value: Double) -> Double { Foundation.tanh(value) }

  func map(_ body: (Double) -> Double) -> RawMatrix {
    RawMatrix(rows: rows, columns: columns, values: values.map(body))
  }

  /// One row.
  func row(_ index: Int) -> RawMatrix {
    RawMatrix(
      rows: 1, columns: columns, values: Array(values[index * columns..<(index + 1) * columns]))
  }

  /// Rows below each other.
  static func stack(_ all: [RawMatrix], columns: Int) -> RawMatrix {
    RawMatrix(rows: all.count, columns: columns, values: all.flatMap(\.values))
  }

  /// Both matrices' columns, row by row.
  func beside(_ other: RawMatrix) -> RawMatrix {
    let all = (0..<rows).flatMap { row(_: $0).values + other.row($0).values }
    return RawMatrix(rows: rows, columns: columns + other.columns, values: all)
  }

  /// X · Wᵀ + b, as `torch.nn.Linear`.
  func times(
    transposed weight: RawMatrix, plus bias: RawMatrix
  ) throws(InteropError) -> RawMatrix {
    guard weight.columns == columns, bias.values.count == weight.rows else {
      throw .tensors("the prompt encoder's matrices do not fit each other")
    }
    // Matrices of one column make a large product of little.
    let size = rows * weight.rows
    guard size <= max(1 << 22, 16 * (values.count + weight.values.count)) else {
      throw .tensors("the prompt encoder makes \(rows) × \(weight.rows) numbers of few")
    }
    var result = [Double](repeating: 0, count: rows * weight.rows)
    for row in 0..<rows {
      for output in 0..<weight.rows {
        var sum = bias.values[output]
        for inner in 0..<columns {
          sum += values[row * columns + inner] * weight.values[output * columns + inner]
        }
        result[row * weight.rows + output] = sum
      }
    }
    return RawMatrix(rows: rows, columns: weight.rows, values: result)
  }
}

/// One direction of one layer of `torch.nn.LSTM`: gates i, f, g, o; both biases; begins with zeros.
struct LSTMCell {
  let inputWeight: RawMatrix
  let hiddenWeight: RawMatrix
  let inputBias: RawMatrix
  let hiddenBias: RawMatrix

  func run(_ sequence: RawMatrix, backwards: Bool) throws(InteropError) -> RawMatrix {
    let size = hiddenWeight.columns
    guard hiddenWeight.rows == 4 * size, inputWeight.rows == 4 * size, size > 0 else {
      throw .tensors("the prompt encoder's LSTM has no four gates")
    }
    let inputs = try sequence.times(transposed: inputWeight, plus: inputBias)
    var (hidden, cell) = (Self.zeros(size), [Double](repeating: 0, count: size))
    var outputs = [RawMatrix](repeating: hidden, count: sequence.rows)
    let steps = backwards ? Array((0..<sequence.rows).reversed()) : Array(0..<sequence.rows)
    for step in steps {
      let recurrent = try hidden.times(transposed: hiddenWeight, plus: hiddenBias).values
      let gates = zip(inputs.row(step).values, recurrent).map { $0 + $1 }
      var next: [Double] = []
      for unit in 0..<size {
        let (input, forget) = (Self.sigmoid(gates[unit]), Self.sigmoid(gates[size + unit]))
        cell[unit] = forget * cell[unit] + input * RawMatrix.tanh(gates[2 * size + unit])
        next.append(Self.sigmoid(gates[3 * size + unit]) * RawMatrix.tanh(cell[unit]))
      }
      hidden = RawMatrix.row(next)
      outputs[step] = hidden
    }
    return RawMatrix.stack(outputs, columns: size)
  }

  private static func zeros(_ count: Int) -> RawMatrix {
    RawMatrix.row(Array(repeating: 0, count: count))
  }

  private static func sigmoid(_ value: Double) -> Double { 1 / (1 + exp(-value)) }
}

extension RawMatrix {
  fileprivate static func row(_ values: [Double]) -> RawMatrix {
    RawMatrix(rows: 1, columns: values.count, values: values)
  }
}

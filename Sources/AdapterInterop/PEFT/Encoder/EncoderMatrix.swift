internal import Checkpoints
internal import RealModule
internal import Operations
internal import Storage

/// A matrix of an encoder, in F64; a vector is one row.
struct EncoderMatrix {
  let rows: Int
  let columns: Int
  /// Row by row.
  private(set) var values: [Double]

  init(rows: Int, columns: Int, values: [Double]) {
    self.rows = rows
    self.columns = columns
    self.values = values
  }

  /// Elements of an encoder's tensor, at most.
  private static let maximumCount = 1 << 28

  init(_ tensor: SafetensorsHeader.Tensor, in file: SafetensorsContents) throws {
    let (info, shape) = (tensor.info, tensor.info.shape.dimensions)
    guard (1...2).contains(shape.count), info.shape.count <= Self.maximumCount else {
      throw InteropError.tensors(
        "tensor \(info.name) has shape \(info.shape), which no encoder has")
    }
    guard info.type.isFloat else {
      throw InteropError.tensors(
        "tensor \(info.name) is \(info.type.rawValue), not F16, BF16, F32 or F64")
    }
    let bytes = try file.bytes.bytes(at: file.offset(of: tensor), count: info.byteCount)
    self.init(
      rows: shape.count == 2 ? shape[0] : 1, columns: shape.last ?? 0,
      values: [Double](widening: bytes, of: info.type))
  }

  /// The values as F32, little-endian.
  var bytes: [UInt8] { values.rounded(to: .f32) }

  static func tanh(_ value: Double) -> Double { .tanh(value) }

  func map(_ body: (Double) -> Double) -> EncoderMatrix {
    EncoderMatrix(rows: rows, columns: columns, values: values.map(body))
  }

  /// One row.
  func row(_ index: Int) -> EncoderMatrix {
    EncoderMatrix(
      rows: 1, columns: columns, values: Array(values[index * columns..<(index + 1) * columns]))
  }

  /// Rows below each other.
  static func stack(_ all: [EncoderMatrix], columns: Int) -> EncoderMatrix {
    EncoderMatrix(rows: all.count, columns: columns, values: all.flatMap(\.values))
  }

  /// Both matrices' columns, row by row.
  func beside(_ other: EncoderMatrix) -> EncoderMatrix {
    let all = (0..<rows).flatMap { row($0).values + other.row($0).values }
    return EncoderMatrix(rows: rows, columns: columns + other.columns, values: all)
  }

  /// X · Wᵀ + b, as `torch.nn.Linear`.
  func times(
    transposed weight: EncoderMatrix, plus bias: EncoderMatrix
  ) throws -> EncoderMatrix {
    guard weight.columns == columns, bias.values.count == weight.rows else {
      throw InteropError.tensors("the prompt encoder's matrices do not fit each other")
    }
    // Matrices of one column make a large product of little.
    let size = rows * weight.rows
    guard size <= max(1 << 22, 16 * (values.count + weight.values.count)) else {
      throw InteropError.tensors("the prompt encoder makes \(rows) × \(weight.rows) numbers of few")
    }
    try LinearAlgebra.require()
    let product = MatrixProduct(
      rows: rows, columns: weight.rows, inner: columns, a: (false, columns), b: (true, columns))
    var result = (0..<rows).flatMap { _ in bias.values }
    product.add(values, weight.values, to: &result)
    return EncoderMatrix(rows: rows, columns: weight.rows, values: result)
  }
}

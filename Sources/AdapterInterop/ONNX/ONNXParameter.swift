internal import Storage

/// A named input of a graph in a file of ONNX Runtime.
struct ONNXParameter: Sendable {
  let name: String
  let dimensions: [Int]
  let type: ElementType
  /// Where its bytes begin.
  let offset: UInt64

  var byteCount: Int { dimensions.reduce(1, *) * type.bitWidth / 8 }

  /// ONNX's numbers of the types that factors have.
  static let types: [(number: Int32, type: ElementType)] = [
    (1, .f32), (10, .f16), (11, .f64), (16, .bf16),
  ]

  /// The parameters of a file, whose root table has format, adapter and model versions before them.
  ///
  /// - Throws: `FlatBufferFault`, or an error of the file.
  static func all(in file: any RandomAccessBytes) throws -> [ONNXParameter] {
    let root = try FlatBuffer(file).root()
    let version = try root.integer(0)
    guard version == 1 else { throw FlatBufferFault("format version \(version), not 1") }
    var names: Set<String> = []
    var left = file.count
    return try root.tables(3).map { table in
      let parameter = try ONNXParameter(table)
      guard names.insert(parameter.name).inserted else {
        throw FlatBufferFault("two parameters are called \(parameter.name)")
      }
      // Data that several parameters share would take far more memory than the file has.
      guard UInt64(parameter.byteCount) <= left else {
        throw FlatBufferFault("its parameters have more bytes than the file")
      }
      left -= UInt64(parameter.byteCount)
      return parameter
    }
  }

  private init(_ table: FlatBuffer.Table) throws {
    guard let name = try table.text(0), !name.isEmpty else {
      throw FlatBufferFault("a parameter without a name")
    }
    self.name = name
    let number = try table.integer(2)
    guard let type = Self.types.first(where: { Int($0.number) == number })?.type else {
      throw FlatBufferFault(
        "\(name) is of ONNX's type \(number), not F32, F16, BF16 or F64")
    }
    self.type = type
    guard let dims = try table.vector(1, elementSize: 8), dims.count <= 8,
      let data = try table.vector(3, elementSize: 1)
    else { throw FlatBufferFault("\(name) has no shape or no data") }
    let dimensions = try dims.integers()
    guard dimensions.allSatisfy({ $0 >= 0 }), let shape = Shape(dimensions.map(UInt64.init)),
      shape.byteCount(of: type) == data.byteCount
    else {
      throw FlatBufferFault("\(name) has \(data.byteCount) bytes, not those of \(dimensions)")
    }
    self.dimensions = shape.dimensions
    offset = data.start
  }
}

internal import Storage

/// Writes a file of ONNX Runtime in one pass: tables, names and shapes first, then the data, each aligned to 8.
struct ONNXWriter: Sendable {
  /// A parameter whose bytes are made when it is written.
  struct Parameter: Sendable {
    let name: String
    let dimensions: [Int]
    let type: ElementType
    let bytes: @Sendable () throws -> [UInt8]

    var byteCount: Int { dimensions.reduce(1, *) * type.bitWidth / 8 }
  }

  let parameters: [Parameter]

  /// Bytes of the whole file.
  var byteCount: Int {
    parameters.reduce(tables.count) { $0 + Self.padded(8 + $1.byteCount) }
  }

  func write(to output: OutputFile) throws {
    try output.write(tables)
    for parameter in parameters {
      // The length in the last four of eight bytes, so that what follows is aligned.
      var bytes: [UInt8] = [0, 0, 0, 0]
      bytes.append(little: UInt32(parameter.byteCount))
      bytes += try parameter.bytes()
      bytes += [UInt8](repeating: 0, count: Self.padded(bytes.count) - bytes.count)
      try output.write(bytes)
    }
  }

  private static func padded(_ count: Int) -> Int { (count + 7) / 8 * 8 }

  /// All but the data: the list of the root's fields at 8, the root at 20, that of a parameter's fields at 40.
  private var tables: [UInt8] {
    var bytes: [UInt8] = []
    bytes.append(little: UInt32(20))
    bytes += Array("TORT".utf8)
    // Of the root: 12 bytes of list, a table of 20, and where each field is in it.
    for field in [12, 20, 4, 8, 12, 16] as [UInt16] { bytes.append(little: field) }
    bytes.append(little: Int32(12))
    for version in [1, 0, 0] as [Int32] { bytes.append(little: version) }
    // The vector of parameters follows the list of a parameter's fields.
    bytes.append(little: UInt32(52 - 36))
    for field in [12, 20, 4, 8, 12, 16] as [UInt16] { bytes.append(little: field) }
    bytes.append(little: UInt32(parameters.count))
    let first = bytes.count + 4 * parameters.count
    for index in parameters.indices {
      bytes.append(little: UInt32(first + 20 * index - bytes.count))
    }
    appendParameters(first, &bytes)
    return bytes
  }

  private func appendParameters(_ first: Int, _ bytes: inout [UInt8]) {
    // Names and shapes come behind all tables, the data behind them.
    var places: [(name: Int, dimensions: Int)] = []
    var place = first + 20 * parameters.count
    for parameter in parameters {
      let name = place
      place += (4 + parameter.name.utf8.count + 1 + 3) / 4 * 4
      // The length of eight-byte elements ends where they are aligned.
      if (place + 4) % 8 != 0 { place += 4 }
      places.append((name, place))
      place += 4 + 8 * parameter.dimensions.count
    }
    var data = Self.padded(place)
    let end = data
    for (index, parameter) in parameters.enumerated() {
      let table = bytes.count
      bytes.append(little: Int32(table - 40))
      bytes.append(little: UInt32(places[index].name - bytes.count))
      bytes.append(little: UInt32(places[index].dimensions - bytes.count))
      let number = ONNXParameter.types.first { $0.type == parameter.type }?.number ?? 1
      bytes.append(little: number)
      bytes.append(little: UInt32(data + 4 - bytes.count))
      data += Self.padded(8 + parameter.byteCount)
    }
    for (index, parameter) in parameters.enumerated() {
      bytes.pad(to: places[index].name)
      bytes.append(little: UInt32(parameter.name.utf8.count))
      bytes += Array(parameter.name.utf8) + [0]
      bytes.pad(to: places[index].dimensions)
      bytes.append(little: UInt32(parameter.dimensions.count))
      for dimension in parameter.dimensions { bytes.append(little: Int64(dimension)) }
    }
    bytes.pad(to: end)
  }
}

extension [UInt8] {
  fileprivate mutating func append<Value: FixedWidthInteger>(little value: Value) {
    for shift in stride(from: 0, to: Value.bitWidth, by: 8) {
      append(UInt8(truncatingIfNeeded: value >> Value(shift)))
    }
  }

  fileprivate mutating func pad(to count: Int) {
    append(contentsOf: repeatElement(0, count: Swift.max(0, count - self.count)))
  }
}

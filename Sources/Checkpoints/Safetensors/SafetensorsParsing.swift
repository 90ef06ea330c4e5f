internal import Storage
internal import StrictJSON
package import SystemPackage

// The rules of safetensors, without the leniency of its readers: unique names, no unknown field, no
// hole, no overlap, every byte of the file accounted for.

extension SafetensorsHeader {
  /// Reads and checks a header.
  ///
  /// - Parameters:
  ///   - bytes: the header's text.
  ///   - dataByteCount: how many bytes follow it in the file.
  ///   - path: the file, for errors.
  /// - Throws: `CheckpointError` of the rule that is broken.
  package init(
    parsing bytes: [UInt8], dataByteCount: UInt64, path: FilePath
  ) throws(CheckpointError) {
    guard bytes.first == UInt8(ascii: "{") else {
      throw .safetensors(path, "the header does not begin with \"{\"")
    }
    var metadata: [Entry]?
    var tensors: [Tensor] = []
    var reader = try parsing(path) { () throws(JSONError) in
      try JSONReader(bytes, maximumDepth: 16)
    }
    var keys = try parsing(path) { () throws(JSONError) in try reader.beginObject() }
    while let name = try parsing(path, { () throws(JSONError) in try reader.nextKey(&keys) }) {
      if name == "__metadata__" {
        metadata = try Self.parseMetadata(&reader, path)
      } else {
        tensors.append(try Self.parseTensor(&reader, name, path))
      }
    }
    try parsing(path) { () throws(JSONError) in try reader.finish() }
    tensors.sort { ($0.offset, $0.info.byteCount) < ($1.offset, $1.info.byteCount) }
    try Self.checkCoverage(tensors, dataByteCount, path)
    self.metadata = metadata
    self.tensors = tensors
    text = String(decoding: bytes, as: UTF8.self)
  }

  private static func parseMetadata(
    _ reader: inout JSONReader, _ path: FilePath
  ) throws(CheckpointError) -> [Entry]? {
    // mlx writes null where it has none.
    guard try parsing(path, { () throws(JSONError) in try reader.kind() }) != .null else {
      try parsing(path) { () throws(JSONError) in try reader.null() }
      return nil
    }
    var entries: [Entry] = []
    var keys = try parsing(path) { () throws(JSONError) in try reader.beginObject() }
    while let key = try parsing(path, { () throws(JSONError) in try reader.nextKey(&keys) }) {
      entries.append(
        Entry(key, try parsing(path) { () throws(JSONError) in try reader.string() }))
    }
    return entries
  }

  private static func parseTensor(
    _ reader: inout JSONReader, _ name: Name, _ path: FilePath
  ) throws(CheckpointError) -> Tensor {
    var dtype: String?
    var dimensions: [UInt64]?
    var range: [UInt64]?
    var keys = try parsing(path) { () throws(JSONError) in try reader.beginObject() }
    while let key = try parsing(path, { () throws(JSONError) in try reader.nextKey(&keys) }) {
      switch key {
      case "dtype": dtype = try parsing(path) { () throws(JSONError) in try reader.string() }
      case "shape": dimensions = try integers(&reader, path)
      case "data_offsets": range = try integers(&reader, path)
      default: throw .safetensors(path, "tensor \(name) has an unknown field \"\(key)\"")
      }
    }
    guard let dtype, let dimensions, let range, range.count == 2 else {
      throw .safetensors(path, "tensor \(name) needs dtype, shape and two data_offsets")
    }
    guard let type = ElementType(rawValue: dtype) else {
      throw .safetensors(path, "tensor \(name) has an unknown dtype \(dtype)")
    }
    guard let shape = Shape(dimensions), let count = shape.byteCount(of: type) else {
      throw .safetensors(path, "tensor \(name) has an impossible shape \(dimensions) of \(dtype)")
    }
    guard range[0] <= range[1], range[1] - range[0] == UInt64(count) else {
      throw .safetensors(
        path, "tensor \(name) has \(count) bytes by its shape, offsets \(range[0]) to \(range[1])")
    }
    return Tensor(info: TensorInfo(name: name, type: type, shape: shape), offset: range[0])
  }

  private static func integers(
    _ reader: inout JSONReader, _ path: FilePath
  ) throws(CheckpointError) -> [UInt64] {
    var values: [UInt64] = []
    var elements = try parsing(path) { () throws(JSONError) in try reader.beginArray() }
    while try parsing(path, { () throws(JSONError) in try reader.nextElement(&elements) }) {
      guard values.count < 64 else { throw .safetensors(path, "a shape of over 64 dimensions") }
      values.append(try parsing(path) { () throws(JSONError) in try reader.integer() })
    }
    return values
  }

  /// The tensors, sorted by place, must follow on each other and fill the data.
  private static func checkCoverage(
    _ tensors: [Tensor], _ dataByteCount: UInt64, _ path: FilePath
  ) throws(CheckpointError) {
    var end: UInt64 = 0
    for tensor in tensors {
      guard tensor.offset == end else {
        let what = tensor.offset < end ? "overlaps the tensor before it" : "leaves a hole before it"
        throw .safetensors(path, "tensor \(tensor.info.name) \(what)")
      }
      end += UInt64(tensor.info.byteCount)
    }
    guard end == dataByteCount else {
      throw .safetensors(
        path,
        end < dataByteCount
          ? "\(dataByteCount - end) bytes after the last tensor"
          : "cut short: \(end - dataByteCount) bytes are missing")
    }
  }
}

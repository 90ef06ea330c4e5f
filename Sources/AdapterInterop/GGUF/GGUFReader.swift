internal import Storage
internal import StrictJSON
internal import SystemPackage

/// A GGUF file's metadata and the list of its tensors (ggml, docs/gguf.md; version 3, and 2, which has the same layout).
///
/// Everything in it is a length that a file may lie about: each is checked against the bytes that are there before
/// anything is made of it.
struct GGUFReader {
  private(set) var metadata: [Name: GGUFValue] = [:]
  private(set) var tensors: [GGUFTensor] = []
  let file: any RandomAccessBytes

  /// Metadata and list together are no longer than this.
  private static let maximumHeaderByteCount = 256 << 20
  private static let maximumMetadataCount: UInt64 = 1 << 16
  /// ggml's own limit of a tensor's dimensions.
  private static let maximumRank: UInt32 = 4
  private static let maximumAlignment: UInt64 = 1 << 20

  /// Reads the header.
  ///
  /// - Throws: `InteropError` where a rule of the format is broken, or the file cannot be read.
  init(_ path: FilePath) throws { try self.init(File(path), path) }

  /// Reads the header of a file, wherever its bytes are.
  ///
  /// - Throws: as for a path, which is what errors call it.
  init(_ bytes: any RandomAccessBytes, _ path: FilePath) throws {
    file = bytes
    var cursor = GGUFCursor(file, limit: Self.maximumHeaderByteCount)
    do throws(GGUFFault) {
      try read(&cursor)
    } catch {
      throw InteropError(.malformed, at: .file(path), error.reason)
    }
  }

  private mutating func read(_ cursor: inout GGUFCursor) throws(GGUFFault) {
    guard try cursor.bytes(4) == Array("GGUF".utf8) else { throw GGUFFault("not a GGUF file") }
    let version = try cursor.integer(UInt32.self)
    guard version < 1 << 16 else { throw GGUFFault("a big-endian GGUF file, which is not read") }
    guard (2...3).contains(version) else {
      throw GGUFFault("GGUF version \(version), and 2 and 3 are read")
    }
    let tensorCount = try cursor.integer(UInt64.self)
    let metadataCount = try cursor.integer(UInt64.self)
    guard metadataCount <= Self.maximumMetadataCount else {
      throw GGUFFault("\(metadataCount) entries of metadata")
    }
    for _ in 0..<metadataCount {
      let key = try cursor.name()
      let value = try GGUFValue(&cursor)
      guard metadata.updateValue(value, forKey: key) == nil else {
        throw GGUFFault("the key \(key) is there twice")
      }
    }
    // An entry of a tensor takes 24 bytes at least.
    guard tensorCount <= cursor.remaining / 24 else { throw GGUFFault("\(tensorCount) tensors") }
    var seen: Set<Name> = []
    for _ in 0..<tensorCount {
      let tensor = try GGUFTensor(&cursor, maximumRank: Self.maximumRank)
      guard seen.insert(tensor.name).inserted else {
        throw GGUFFault("the tensor \(tensor.name) is there twice")
      }
      tensors.append(tensor)
    }
    try place(after: cursor.position)
  }

  /// Finds where the tensors' bytes are.
  private mutating func place(after end: UInt64) throws(GGUFFault) {
    var alignment: UInt64 = 32
    if let value = metadata["general.alignment"] {
      guard case .unsigned(let count) = value, count > 0, count <= Self.maximumAlignment,
        count & (count - 1) == 0
      else { throw GGUFFault("general.alignment is not a power of two") }
      alignment = count
    }
    let start = (end + alignment - 1) / alignment * alignment
    guard start <= file.count || tensors.isEmpty else { throw GGUFFault("it is cut short") }
    // Tensors that share their bytes would take far more memory than the file has.
    var left = file.count
    for index in tensors.indices {
      let tensor = tensors[index]
      guard tensor.offset.isMultiple(of: alignment) else {
        throw GGUFFault("the tensor \(tensor.name) is not aligned")
      }
      let (place, overflow) = start.addingReportingOverflow(tensor.offset)
      guard !overflow, place <= file.count, UInt64(tensor.byteCount) <= file.count - place else {
        throw GGUFFault("the tensor \(tensor.name) is beyond the end of the file")
      }
      guard UInt64(tensor.byteCount) <= left else {
        throw GGUFFault("its tensors have more bytes than the file")
      }
      left -= UInt64(tensor.byteCount)
      tensors[index].offset = place
    }
  }
}

/// A value of the metadata; of an array only its length is kept.
enum GGUFValue: Sendable, Hashable {
  case unsigned(UInt64)
  case signed(Int64)
  case float32(Float)
  case float64(Double)
  case boolean(Bool)
  case string(String)
  case array(count: UInt64)

  init(_ cursor: inout GGUFCursor) throws(GGUFFault) {
    let type = try cursor.integer(UInt32.self)
    guard type == 9 else {
      self = try Self.scalar(type, &cursor)
      return
    }
    let element = try cursor.integer(UInt32.self)
    let count = try cursor.integer(UInt64.self)
    guard let size = Self.sizes[element], count <= cursor.remaining / size else {
      throw GGUFFault("an array of \(count) values of type \(element)")
    }
    guard element == 8 else {
      try cursor.skip(count * size)
      self = .array(count: count)
      return
    }
    for _ in 0..<count { try cursor.skip(try cursor.integer(UInt64.self)) }
    self = .array(count: count)
  }

  /// Bytes of a value of each type, of a string at least; an array of arrays is nobody's.
  private static let sizes: [UInt32: UInt64] = [
    0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 8: 8, 10: 8, 11: 8, 12: 8,
  ]

  private static func scalar(
    _ type: UInt32, _ cursor: inout GGUFCursor
  ) throws(GGUFFault) -> GGUFValue {
    switch type {
    case 0: .unsigned(UInt64(try cursor.integer(UInt8.self)))
    case 1: .signed(Int64(try cursor.integer(Int8.self)))
    case 2: .unsigned(UInt64(try cursor.integer(UInt16.self)))
    case 3: .signed(Int64(try cursor.integer(Int16.self)))
    case 4: .unsigned(UInt64(try cursor.integer(UInt32.self)))
    case 5: .signed(Int64(try cursor.integer(Int32.self)))
    case 6: .float32(Float(bitPattern: try cursor.integer(UInt32.self)))
    case 7: .boolean(try cursor.integer(UInt8.self) != 0)
    case 8: .string(try cursor.text())
    case 10: .unsigned(try cursor.integer(UInt64.self))
    case 11: .signed(try cursor.integer(Int64.self))
    case 12: .float64(Double(bitPattern: try cursor.integer(UInt64.self)))
    default: throw GGUFFault("a value of the unknown type \(type)")
    }
  }
}

/// A tensor of a GGUF file.
struct GGUFTensor: Sendable {
  let name: Name
  /// Row-major, as everywhere here: ggml's dimensions in the other order.
  let shape: [Int]
  let type: GGUFType
  let byteCount: Int
  /// In the file, once it is known where the data begins; before that from there on.
  var offset: UInt64

  init(_ cursor: inout GGUFCursor, maximumRank: UInt32) throws(GGUFFault) {
    name = try cursor.name()
    let rank = try cursor.integer(UInt32.self)
    guard rank <= maximumRank else { throw GGUFFault("\(name) has \(rank) dimensions") }
    var shape: [Int] = []
    for _ in 0..<rank {
      guard let size = Int(exactly: try cursor.integer(UInt64.self)) else {
        throw GGUFFault("\(name) is too large")
      }
      shape.append(size)
    }
    let code = try cursor.integer(UInt32.self)
    guard let type = GGUFType(rawValue: code) else {
      throw GGUFFault("\(name) is of ggml's type \(code): F32, F16, BF16 and Q8_0 are read")
    }
    guard let count = checkedCount(shape), let bytes = type.byteCount(of: count, row: shape.first)
    else { throw GGUFFault("\(name) is too large, or its rows are not whole blocks") }
    self.shape = shape.reversed()
    self.type = type
    byteCount = bytes
    offset = try cursor.integer(UInt64.self)
  }
}

/// ggml's element types that adapters are stored in.
enum GGUFType: UInt32, Sendable {
  case f32 = 0
  case f16 = 1
  /// Blocks of 32: an F16 and 32 signed bytes.
  case q8 = 8
  case bf16 = 30

  init?(_ type: ElementType) {
    switch type {
    case .f32: self = .f32
    case .f16: self = .f16
    case .bf16: self = .bf16
    default: return nil
    }
  }

  /// The type of its values here; Q8_0's are widened, which loses nothing.
  var elementType: ElementType {
    switch self {
    case .f32, .q8: .f32
    case .f16: .f16
    case .bf16: .bf16
    }
  }

  /// Bytes of so many elements in rows of a length; nil where they overflow, or a row is not whole blocks.
  func byteCount(of count: Int, row: Int?) -> Int? {
    switch self {
    case .f32: checkedCount([count, 4])
    case .f16, .bf16: checkedCount([count, 2])
    case .q8: (row ?? 0).isMultiple(of: 32) ? checkedCount([count / 32, 34]) : nil
    }
  }
}

/// The product; nil where it overflows.
private func checkedCount(_ factors: [Int]) -> Int? {
  var product = 1
  for factor in factors {
    let (next, overflow) = product.multipliedReportingOverflow(by: factor)
    guard !overflow, next < 1 << 48 else { return nil }
    product = next
  }
  return product
}

internal import Storage
internal import StrictJSON

/// Why bytes are not those of a GGUF file.
struct GGUFFault: Error {
  let reason: String

  init(_ reason: String) { self.reason = reason }
}

/// Reads a file from its beginning, a piece at a time.
struct GGUFCursor {
  /// How far it has come.
  private(set) var position: UInt64 = 0
  private let file: any RandomAccessBytes
  private let end: UInt64
  private var piece: [UInt8] = []
  private var pieceStart: UInt64 = 0

  private static let pieceByteCount: UInt64 = 1 << 16
  private static let maximumTextByteCount: UInt64 = 1 << 20

  init(_ file: any RandomAccessBytes, limit: Int) {
    self.file = file
    end = min(file.count, UInt64(limit))
  }

  /// Bytes that are left.
  var remaining: UInt64 { end - position }

  mutating func skip(_ count: UInt64) throws(GGUFFault) {
    guard count <= remaining else { throw GGUFFault("it is cut short") }
    position += count
  }

  mutating func bytes(_ count: UInt64) throws(GGUFFault) -> [UInt8] {
    guard count <= remaining else { throw GGUFFault("it is cut short") }
    defer { position += count }
    if count > Self.pieceByteCount { return try read(position, count) }
    if position < pieceStart || position + count > pieceStart + UInt64(piece.count) {
      pieceStart = position
      piece = try read(position, min(Self.pieceByteCount, remaining))
    }
    let start = Int(position - pieceStart)
    return Array(piece[start..<start + Int(count)])
  }

  private func read(_ offset: UInt64, _ count: UInt64) throws(GGUFFault) -> [UInt8] {
    do throws(StorageError) {
      return try file.bytes(at: offset, count: Int(count))
    } catch {
      throw GGUFFault("\(error)")
    }
  }

  /// A little-endian integer.
  mutating func integer<Value: FixedWidthInteger>(_ type: Value.Type) throws(GGUFFault) -> Value {
    var value: Value = 0
    for (place, byte) in try bytes(UInt64(Value.bitWidth / 8)).enumerated() {
      value |= Value(truncatingIfNeeded: byte) << (8 * place)
    }
    return value
  }

  mutating func text() throws(GGUFFault) -> String {
    let count = try integer(UInt64.self)
    guard count <= Self.maximumTextByteCount else { throw GGUFFault("a text of \(count) bytes") }
    guard let text = String(validating: try bytes(count), as: UTF8.self) else {
      throw GGUFFault("a text that is not UTF-8")
    }
    return text
  }

  mutating func name() throws(GGUFFault) -> Name { Name(try text()) }
}

internal import Storage

/// Why bytes are not those of a FlatBuffer.
struct FlatBufferFault: Error {
  let reason: String

  init(_ reason: String) { self.reason = reason }
}

/// A FlatBuffer in a file, of which a reader takes what it asks for: every offset is checked, and nothing is read that
/// lies outside.
struct FlatBuffer: Sendable {
  let file: any RandomAccessBytes
  /// Offsets are of 32 bits, and lengths are signed.
  static let maximumByteCount: UInt64 = 1 << 31 - 1

  /// - Throws: `FlatBufferFault` where the file is too short, or too long for its offsets.
  init(_ file: any RandomAccessBytes) throws(FlatBufferFault) {
    guard file.count >= 8 else { throw FlatBufferFault("cut short") }
    guard file.count <= Self.maximumByteCount else { throw FlatBufferFault("over 2 GiB") }
    self.file = file
  }

  /// The table that the file begins with.
  func root() throws -> Table { try table(at: follow(0)) }

  private func integer<Value: FixedWidthInteger>(_ type: Value.Type, at place: UInt64) throws
    -> Value
  {
    let size = UInt64(Value.bitWidth / 8)
    guard place <= file.count, size <= file.count - place else {
      throw FlatBufferFault("an offset outside of the file")
    }
    let bytes = try file.bytes(at: place, count: Int(size))
    return bytes.reversed().reduce(0) { $0 << 8 | Value(truncatingIfNeeded: $1) }
  }

  /// Where an offset leads that is stored at a place: forward, and not to itself.
  private func follow(_ place: UInt64) throws -> UInt64 {
    let offset = UInt64(try integer(UInt32.self, at: place))
    guard offset >= 4, offset <= file.count - place else {
      throw FlatBufferFault("an offset outside of the file")
    }
    return place + offset
  }

  private func table(at place: UInt64) throws -> Table {
    let back = Int64(try integer(Int32.self, at: place))
    let vtable = Int64(place) - back
    guard vtable >= 0, vtable <= Int64(file.count) - 4 else {
      throw FlatBufferFault("a table whose fields are outside of the file")
    }
    let size = UInt64(try integer(UInt16.self, at: UInt64(vtable)))
    guard size >= 4, size.isMultiple(of: 2), size <= file.count - UInt64(vtable) else {
      throw FlatBufferFault("a table whose list of fields is cut short")
    }
    return Table(buffer: self, place: place, vtable: UInt64(vtable), fieldCount: Int(size - 4) / 2)
  }

  /// A table: fields that may be there or not.
  struct Table {
    fileprivate let buffer: FlatBuffer
    fileprivate let place: UInt64
    fileprivate let vtable: UInt64
    fileprivate let fieldCount: Int

    /// Where a field is; nil for one that has its default.
    private func field(_ number: Int) throws -> UInt64? {
      guard number < fieldCount else { return nil }
      let offset = try buffer.integer(UInt16.self, at: vtable + 4 + 2 * UInt64(number))
      return offset == 0 ? nil : place + UInt64(offset)
    }

    func integer(_ number: Int) throws -> Int {
      try field(number).map { Int(try buffer.integer(Int32.self, at: $0)) } ?? 0
    }

    /// A vector's elements, of so many bytes each; nil where there is none.
    func vector(_ number: Int, elementSize: Int) throws -> Vector? {
      guard let place = try field(number) else { return nil }
      let start = try buffer.follow(place)
      let count = UInt64(try buffer.integer(UInt32.self, at: start))
      guard count <= (buffer.file.count - start - 4) / UInt64(elementSize) else {
        throw FlatBufferFault("a vector that is cut short")
      }
      return Vector(buffer: buffer, start: start + 4, count: Int(count), elementSize: elementSize)
    }

    func text(_ number: Int) throws -> String? {
      guard let bytes = try vector(number, elementSize: 1) else { return nil }
      guard bytes.count <= 1 << 16 else { throw FlatBufferFault("a text of over 65,536 bytes") }
      guard
        let text = String(
          validating: try buffer.file.bytes(at: bytes.start, count: bytes.count), as: UTF8.self)
      else { throw FlatBufferFault("a text that is not UTF-8") }
      return text
    }

    /// The tables of a vector of tables.
    func tables(_ number: Int) throws -> [Table] {
      guard let vector = try vector(number, elementSize: 4) else { return [] }
      guard vector.count <= 1 << 16 else { throw FlatBufferFault("over 65,536 tables") }
      return try (0..<vector.count).map { index in
        try buffer.table(at: buffer.follow(vector.start + 4 * UInt64(index)))
      }
    }
  }

  /// Elements that follow on each other.
  struct Vector {
    fileprivate let buffer: FlatBuffer
    let start: UInt64
    let count: Int
    let elementSize: Int

    var byteCount: Int { count * elementSize }

    /// The elements, of 64 bits each.
    func integers() throws -> [Int64] {
      try (0..<count).map { try buffer.integer(Int64.self, at: start + 8 * UInt64($0)) }
    }
  }
}

internal import AdapterFormat
internal import Storage
internal import StrictJSON

/// The roles and keys of a record, each read as what an operation needs it to be.
package struct OperationFields {
  private let record: OperationRecord
  private let info: (Name) -> TensorInfo?

  init(_ record: OperationRecord, _ info: @escaping (Name) -> TensorInfo?) {
    self.record = record
    self.info = info
  }

  private func refuse(_ what: String) -> FormatError {
    .manifest("\(record.op)\(record.target.map { " on \($0)" } ?? ""): \(what)")
  }

  /// A required operand.
  func operand(_ role: Name) throws(FormatError) -> TypedOperand {
    guard let operand = try optionalOperand(role) else { throw refuse("no operand \"\(role)\"") }
    return operand
  }

  /// An operand, where it is there.
  func optionalOperand(_ role: Name) throws(FormatError) -> TypedOperand? {
    guard let operand = record.tensors.first(where: { $0.role == role })?.operand else {
      return nil
    }
    guard let info = info(operand.tensor) else { throw refuse("no tensor \(operand.tensor)") }
    return TypedOperand(operand, in: info)
  }

  private func value(_ key: Name) -> JSONValue? {
    record.attributes.first { $0.key == key }?.value
  }

  /// A required number.
  func number(_ key: Name) throws(FormatError) -> Double {
    guard let number = value(key)?.double else { throw refuse("\"\(key)\" is not a number") }
    return number
  }

  /// A number, where it is there.
  func optionalNumber(_ key: Name) throws(FormatError) -> Double? {
    value(key) == nil ? nil : try number(key)
  }

  /// An integer from 0 to 2^53 − 1.
  func integer(_ key: Name) throws(FormatError) -> UInt64 {
    guard let value = value(key) else { throw refuse("no \"\(key)\"") }
    return try integer(value, key)
  }

  /// [JSN-4].
  private func integer(_ value: JSONValue, _ key: Name) throws(FormatError) -> UInt64 {
    switch value {
    case .integer(let number): return number
    case .number: throw .json(JSONError(.notInteger, at: nil))
    default: throw refuse("\"\(key)\" is not an integer")
    }
  }

  /// A positive integer; `absent` where it is not there.
  func count(_ key: Name, absent: Int) throws(FormatError) -> Int {
    try optionalCount(key) ?? absent
  }

  /// A positive integer, where it is there.
  func optionalCount(_ key: Name) throws(FormatError) -> Int? {
    guard let value = value(key) else { return nil }
    let count = try integer(value, key)
    guard count > 0 else { throw refuse("\"\(key)\" is not positive") }
    return Int(count)
  }

  /// Integers, the same number of them in every row.
  func table(_ key: Name) throws(FormatError) -> [[Int]] {
    guard case .array(let rows) = value(key) else { throw refuse("\"\(key)\" is not an array") }
    var table: [[Int]] = []
    for row in rows {
      guard case .array(let values) = row else { throw refuse("\"\(key)\" holds no rows") }
      table.append(try integers(values, key))
    }
    return table
  }

  /// A list of integers.
  func list(_ key: Name) throws(FormatError) -> [Int] {
    guard case .array(let values) = value(key) else { throw refuse("\"\(key)\" is not an array") }
    return try integers(values, key)
  }

  private func integers(_ values: [JSONValue], _ key: Name) throws(FormatError) -> [Int] {
    var list: [Int] = []
    for value in values {
      list.append(Int(try integer(value, key)))
    }
    return list
  }

  /// True or false; false where it is not there.
  func flag(_ key: Name) throws(FormatError) -> Bool {
    switch value(key) {
    case nil: false
    case .boolean(let flag): flag
    default: throw refuse("\"\(key)\" is neither true nor false")
    }
  }

  /// One of the words of a type; `absent` where it is not there.
  func word<Word: RawRepresentable<String>>(
    _ key: Name, absent: Word? = nil
  ) throws(FormatError) -> Word {
    guard let value = value(key) else {
      guard let absent else { throw refuse("no \"\(key)\"") }
      return absent
    }
    guard case .string(let text) = value, let word = Word(rawValue: text) else {
      throw refuse("\"\(key)\" is not one of the words of the specification")
    }
    return word
  }

  /// A required SHA-256.
  func digest(_ key: Name) throws(FormatError) -> Digest {
    guard let digest = try optionalDigest(key) else { throw refuse("no \"\(key)\"") }
    return digest
  }

  /// A SHA-256, where it is there.
  func optionalDigest(_ key: Name) throws(FormatError) -> Digest? {
    guard let value = value(key) else { return nil }
    guard case .string(let text) = value, let digest = Digest(hexadecimal: text) else {
      throw refuse("\"\(key)\" is not a SHA-256")
    }
    return digest
  }

  /// The target of an operation whose formula does not depend on the layout.
  func target() throws(FormatError) -> Target {
    guard let name = record.target else { throw refuse("no target") }
    var target = Target(name)
    target.shape = record.shape
    target.bound = record.bound
    return target
  }

  /// The target of an operation on a weight matrix ([OPS-4]).
  func matrixTarget() throws(FormatError) -> Target {
    var target = try target()
    target.layout = try word("layout") as Layout
    if value("layout_from") != nil { target.layoutSource = try word("layout_from") as LayoutSource }
    return target
  }
}

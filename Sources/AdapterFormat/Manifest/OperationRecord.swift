public import Storage
public import StrictJSON

/// One operation as the manifest lists it (Spec/adp-v1.md, section 8): the part that every operation
/// has, and the rest as it stands.
public struct OperationRecord: Sendable, Hashable {
  /// Which operation.
  public var op: String
  /// The parameter it changes, as trained.
  public var target: Name?
  /// Role → tensor, in the order of the text.
  public var tensors: [Role]
  /// The exact shape of the parameter that it was made for; nil where none is recorded.
  public var shape: Shape?
  /// The stored tensors it was bound to when it was converted.
  public var bound: [Name] = []
  /// All other keys.
  public var attributes: [JSONValue.Member] = []
  /// A key in an operand that this version does not know; nil where there is none.
  public private(set) var unknownOperandKey: Name?
  /// The record as it stands in the manifest, where it holds such a key.
  private var verbatim: [UInt8]?

  /// A tensor in its role.
  public struct Role: Sendable, Hashable {
    /// The role's name.
    public let role: Name
    /// The operand in this role.
    public let operand: Operand

    /// Pairs a role with an operand.
    public init(_ role: Name, _ operand: Operand) {
      self.role = role
      self.operand = operand
    }
  }

  /// Makes an operation.
  public init(
    op: String, target: Name?, tensors: [Role], attributes: [JSONValue.Member] = []
  ) {
    self.op = op
    self.target = target
    self.tensors = tensors
    self.attributes = attributes
  }

  /// The operands of all roles.
  public var operands: [Operand] { tensors.map(\.operand) }

  init(parsing reader: inout JSONReader) throws(FormatError) {
    let start = reader.offset
    var fields = try ObjectFields(&reader, "an operation")
    var op: String?
    var tensors: [Role]?
    self.init(op: "", target: nil, tensors: [])
    while let key = try fields.next(&reader) {
      switch key {
      case "op": op = try fields.string(&reader)
      case "target": target = try fields.name(&reader)
      case "tensors": tensors = try parseRoles(&reader)
      case "shape": shape = try fields.shape(&reader)
      case "bound": bound = try parseNames(&reader)
      default:
        attributes.append(JSONValue.Member(key, try Self.parseAttribute(&reader)))
      }
    }
    self.op = try fields.require(op, "op")
    self.tensors = try fields.require(tensors, "tensors")
    if unknownOperandKey != nil { verbatim = reader.text(from: start) }
    try check()
  }

  /// Holds it against the rules that need no tensor of the adapter.
  func check() throws(FormatError) {
    try target?.checkAsTensor()
    for role in tensors { try role.operand.tensor.checkAsTensor() }
    try shape?.checkDimensions(of: "an operation")
    for name in bound { try name.checkAsTensor() }
  }

  /// Values in its keys.
  var valueCount: Int { attributes.reduce(0) { $0 + $1.value.count } }

  /// The error of a manifest whose operations have more values than are kept.
  static var tooManyValues: FormatError {
    .excess("over \(Limits.operationValues) values in the keys of operations")
  }

  private static func parseAttribute(
    _ reader: inout JSONReader
  ) throws(FormatError) -> JSONValue {
    do throws(JSONError) {
      return try JSONValue(parsing: &reader)
    } catch {
      guard error.fault == .tooMany else { throw .json(error) }
      throw tooManyValues
    }
  }

  private mutating func parseRoles(
    _ reader: inout JSONReader
  ) throws(FormatError) -> [Role] {
    var roles: [Role] = []
    var fields = try ObjectFields(&reader, "\"tensors\" of an operation")
    while let role = try fields.next(&reader) {
      roles.append(Role(role, try Operand(parsing: &reader, unknownKey: &unknownOperandKey)))
    }
    return roles
  }

  func encode(into writer: inout JSONWriter) {
    if let verbatim { return writer.verbatim(verbatim) }
    writer.object { writer in
      writer.member("op", op)
      if let target { writer.member("target", target.text) }
      writer.key("tensors")
      writer.object { writer in
        for role in tensors {
          writer.key(role.role)
          role.operand.encode(into: &writer)
        }
      }
      if let shape { writer.member("shape", shape) }
      if !bound.isEmpty { writer.member("bound", bound) }
      for attribute in attributes {
        writer.key(attribute.key)
        writer.value(attribute.value)
      }
    }
  }
}

/// A tensor that an operation uses, or a part of one.
public struct Operand: Sendable, Hashable {
  /// The tensor's name.
  public let tensor: Name
  /// For each dimension the part that is used; nil for all of the tensor.
  public let window: [Range<Int>]?

  /// Names a whole tensor, or a window of one.
  public init(_ tensor: Name, window: [Range<Int>]? = nil) {
    self.tensor = tensor
    self.window = window
  }

  init(parsing reader: inout JSONReader, unknownKey: inout Name?) throws(FormatError) {
    let kind = try parsing { () throws(JSONError) in try reader.kind() }
    if kind == .string {
      self.init(Name(try parsing { () throws(JSONError) in try reader.string() }))
      return
    }
    var fields = try ObjectFields(&reader, "an operand")
    var tensor: Name?
    var window: [Range<Int>]?
    while let key = try fields.next(&reader) {
      switch key {
      case "tensor": tensor = try fields.name(&reader)
      case "window": window = try Self.parseWindow(&reader)
      default:
        unknownKey = key
        try fields.skip(&reader)
      }
    }
    self.init(
      try fields.require(tensor, "tensor"), window: try fields.require(window, "window"))
  }

  static func parseWindow(_ reader: inout JSONReader) throws(FormatError) -> [Range<Int>] {
    try parseArray(&reader) { reader throws(FormatError) in try parseRange(&reader) }
  }

  private static func parseRange(_ reader: inout JSONReader) throws(FormatError) -> Range<Int> {
    let pair = try parseArray(&reader) { reader throws(FormatError) in
      try parsing { () throws(JSONError) in try reader.integer() }
    }
    // Both are below 2^53, so the sum cannot overflow.
    guard pair.count == 2 else { throw .manifest("a window has pairs of start and count") }
    return Int(pair[0])..<Int(pair[0] + pair[1])
  }

  /// [OPS-1].
  ///
  /// - Parameters:
  ///   - shape: of the tensor.
  ///   - type: of its elements; nil where this version does not know them.
  /// - Throws: `FormatError.manifest`.
  func checkWindow(in shape: Shape, of type: ElementType?) throws(FormatError) {
    guard let window else { return }
    let fits =
      window.count == shape.dimensions.count
      && zip(window, shape.dimensions).allSatisfy { $0.lowerBound >= 0 && $0.upperBound <= $1 }
    guard fits else { throw .manifest("a window of tensor \(tensor) reaches out of it") }
    guard let bits = type?.bitWidth, bits < 8, let last = window.last else { return }
    let sizes = [last.lowerBound, last.count, shape.dimensions.last ?? 0]
    guard sizes.allSatisfy({ ($0 % 8 * bits).isMultiple(of: 8) }) else {
      throw .manifest("a window of tensor \(tensor) cuts through a byte")
    }
  }

  func encode(into writer: inout JSONWriter) {
    guard let window else { return writer.string(tensor.text) }
    writer.object { writer in
      writer.member("tensor", tensor.text)
      Self.encode(window, into: &writer)
    }
  }

  /// Writes the key `window` and its pairs of start and count.
  package static func encode(_ window: [Range<Int>], into writer: inout JSONWriter) {
    writer.key("window")
    writer.array { writer in
      for range in window {
        writer.array { writer in
          writer.integer(range.lowerBound)
          writer.integer(range.count)
        }
      }
    }
  }
}

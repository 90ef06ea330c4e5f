package import AdapterFormat
internal import Storage
package import StrictJSON

/// Keys and values before those of the input, in the attention of every layer (Spec/adp-v1.md,
/// section 8.7; prefix tuning, arXiv:2101.00190). It acts at run time only.
public struct PrependKV: Sendable, Hashable {
  /// [tokens, S · heads · head dim]: S slots for each token.
  public var values: TypedOperand
  /// Heads that keys and values have.
  public var headCount: Int
  /// Elements of one head.
  public var headDimension: Int
  /// For each layer the slots of its keys and of its values.
  public var slots: [Slots]
  /// Whose self-attention.
  public var stream: TokenStream

  /// Where one layer's keys and values are.
  public struct Slots: Sendable, Hashable {
    /// The slot of the keys.
    public let key: Int
    /// The slot of the values.
    public let value: Int

    /// Names two slots.
    public init(key: Int, value: Int) {
      self.key = key
      self.value = value
    }
  }

  /// Makes a prefix.
  public init(
    values: TypedOperand, headCount: Int, headDimension: Int, slots: [Slots], stream: TokenStream
  ) {
    self.values = values
    self.headCount = headCount
    self.headDimension = headDimension
    self.slots = slots
    self.stream = stream
  }

  /// How many virtual tokens.
  public var tokenCount: Int { values.shape.first ?? 0 }
}

extension PrependKV: RunTimeKind {
  package static let op = "prepend_kv"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (
    ["values"], ["heads", "head_dim", "slots", "stream"]
  )

  package init(_ fields: OperationFields) throws(FormatError) {
    values = try fields.operand("values")
    headCount = try fields.count("heads", absent: 0)
    headDimension = try fields.count("head_dim", absent: 0)
    let rows = try fields.table("slots")
    guard rows.allSatisfy({ $0.count == 2 }) else {
      throw .manifest("\(Self.op): a layer has a slot for keys and one for values")
    }
    slots = rows.map { Slots(key: $0[0], value: $0[1]) }
    stream = try fields.word("stream")
  }

  /// [PKV-1].
  package func fault() -> String? {
    guard values.type.isFloat, values.shape.count == 2,
      let width = checkedProduct([headCount, headDimension]), width > 0,
      width <= Shape.maximumCount,
      values.shape[1].isMultiple(of: width)
    else {
      return "values \(values.shape) are not [tokens, slots × \(headCount) × \(headDimension)]"
    }
    let count = values.shape[1] / width
    let isInside = slots.allSatisfy {
      (0..<count).contains($0.key) && (0..<count).contains($0.value)
    }
    return isInside ? nil : "a slot is not one of the \(count) there are"
  }

  package var operands: [(role: Name, operand: Operand?)] { [("values", values.operand)] }

  package var attributes: [(key: Name, value: JSONValue?)] {
    [
      ("heads", .count(headCount)), ("head_dim", .count(headDimension)),
      ("slots", .array(slots.map { .array([.count($0.key), .count($0.value)]) })),
      ("stream", .string(stream.rawValue)),
    ]
  }

  package var summary: OperationSummary {
    OperationSummary(traits: [
      "\(tokenCount) tokens", "\(slots.count) layers", "\(headCount) heads of \(headDimension)",
    ])
  }

  package var laws: Laws { Laws(.precedes(prompt)) }

  package var measurable: Measurable { .prompt(prompt) }

  private var prompt: Prompt {
    Prompt(
      values: values, stream: stream,
      form: .keysAndValues(headCount: headCount, headDimension: headDimension, slots: slots))
  }
}

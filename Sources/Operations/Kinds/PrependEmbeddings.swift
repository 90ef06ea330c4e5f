package import AdapterFormat
internal import Storage
package import StrictJSON

/// Rows before the embeddings of the input (Spec/adp-v1.md, section 8.6; prompt tuning,
/// arXiv:2104.08691; P-tuning, arXiv:2103.10385). It acts at run time only.
public struct PrependEmbeddings: Sendable, Hashable {
  /// The rows, [tokens, dim].
  public var values: TypedOperand
  /// Which part of the model they come before.
  public var stream: TokenStream

  /// Makes a soft prompt.
  public init(values: TypedOperand, stream: TokenStream) {
    self.values = values
    self.stream = stream
  }

  /// How many virtual tokens.
  public var tokenCount: Int { values.shape.first ?? 0 }
}

extension PrependEmbeddings: RunTimeKind {
  package static let op = "prepend_embeddings"
  package static let vocabulary: (roles: [Name], keys: [Name]) = (["values"], ["stream"])

  package init(_ fields: OperationFields) throws(FormatError) {
    values = try fields.operand("values")
    stream = try fields.word("stream")
  }

  /// [PRE-1].
  package func fault() -> String? {
    values.type.isFloat && values.shape.count == 2
      ? nil : "values \(values.shape) \(values.type.rawValue) are not [tokens, dim] of floats"
  }

  package var operands: [(role: Name, operand: Operand?)] { [("values", values.operand)] }

  package var attributes: [(key: Name, value: JSONValue?)] {
    [("stream", .string(stream.rawValue))]
  }

  package var summary: OperationSummary {
    let shape = values.shape.map { "\($0)" }.joined(separator: " × ")
    return OperationSummary(traits: ["\(shape)", stream.rawValue])
  }

  package var laws: Laws { Laws(.precedes(prompt)) }

  package var measurable: Measurable { .prompt(prompt) }

  private var prompt: Prompt { Prompt(values: values, stream: stream, form: .embeddings) }
}

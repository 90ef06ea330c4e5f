internal import Storage

/// The data of an operation that can be measured without a base.
package enum Measurable: Sendable {
  /// Its change of the weight, which is the same on every base.
  case change
  /// The same, and its elements are those of an operand times a number.
  case elements(TypedOperand, scale: Double)
  /// How far a factor on the outputs or inputs is from 1.
  case factor(TypedOperand, Multiply.Side)
  /// The values that are given; each row of one operand counts where they are rows.
  case values(TypedOperand, areRows: Bool)
  /// A product of low rank that the weight's own values make a change of, and the operands that take part in that.
  case direction(with: [(name: String, operand: TypedOperand)])
  /// The rows of a prompt or a prefix.
  case prompt(Prompt)
  /// Its operands as they are: only a base shows the change.
  case operands

  /// True if it is a change by itself.
  package var isChange: Bool {
    switch self {
    case .change, .elements: true
    case .factor, .values, .direction, .prompt, .operands: false
    }
  }
}

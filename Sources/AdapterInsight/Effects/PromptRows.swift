internal import AdapterFormat
internal import Operations

/// A soft prompt or a prefix, cut into the rows that one compares: the tokens of a prompt, the keys and
/// values of each layer of a prefix.
struct PromptRows: Sendable {
  /// The kind of the rows.
  let kind: PromptNorms.Kind
  /// The rows in order, each with its columns.
  let rows: [[[Double]]]
  /// Heads and their elements, of a prefix: the same numbers in other heads are another prefix.
  private let heads: [Int]

  /// - Throws: `FormatError` where the values cannot be read.
  init(_ prompt: Prompt, in adapter: Adapter) throws {
    let values = try OperandVector(operand: prompt.values, adapter: adapter).values()
    let width = prompt.values.shape[1]
    switch prompt.form {
    case .embeddings:
      kind = .tokens
      heads = []
      rows = (0..<prompt.tokenCount).map { [Array(values[$0 * width..<($0 + 1) * width])] }
    case .keysAndValues(let headCount, let headDimension, let slots):
      kind = .layers
      heads = [headCount, headDimension]
      let slot = headCount * headDimension
      func of(_ index: Int) -> [Double] {
        (0..<prompt.tokenCount).flatMap { token -> ArraySlice<Double> in
          let start = token * width + index * slot
          return values[start..<start + slot]
        }
      }
      rows = slots.map { [of($0.key), of($0.value)] }
    }
  }

  /// How many rows there would be, and how many elements in all of them: slots may be the same.
  static func sizes(_ prompt: Prompt) -> (count: Double, elements: Double) {
    switch prompt.form {
    case .embeddings: return (Double(prompt.tokenCount), Double(prompt.values.count))
    case .keysAndValues(let headCount, let headDimension, let slots):
      let rows = 2 * Double(slots.count)
      let slot = Double(headCount) * Double(headDimension)
      return (rows, rows * Double(prompt.tokenCount) * slot)
    }
  }

  func hasSameHeads(as other: PromptRows) -> Bool { heads == other.heads }

  var norms: PromptNorms { PromptNorms(kind: kind, rows: rows.map { $0.map(\.norm) }) }
}

/// The norms of the rows of a soft prompt or a prefix.
public struct PromptNorms: Sendable, Hashable {
  /// The kind of the rows.
  public let kind: Kind
  /// For each row the norm of each of its columns.
  public let rows: [[Double]]

  /// A kind of rows of a prompt.
  public enum Kind: Sendable, Hashable, CaseIterable {
    /// Its tokens; the one column is the embedding.
    case tokens
    /// The model's layers; the columns are the keys and the values of all tokens.
    case layers
  }
}

/// How far apart the rows of two prompts or prefixes are.
public struct PromptDistances: Sendable, Hashable {
  /// The kind of the rows.
  public let kind: PromptNorms.Kind
  /// ‖left − right‖ of each column of each row.
  public let rows: [[Double]]
  /// The larger of both norms of the same.
  public let norms: [[Double]]

  /// Nil where they have not the same rows.
  init?(_ left: PromptRows, _ right: PromptRows) {
    let counts = [left, right].map { $0.rows.map { $0.map(\.count) } }
    guard left.kind == right.kind, left.hasSameHeads(as: right), counts[0] == counts[1] else {
      return nil
    }
    kind = left.kind
    rows = zip(left.rows, right.rows).map { left, right in
      zip(left, right).map { left, right in zip(left, right).map { $0 - $1 }.norm }
    }
    norms = zip(left.rows, right.rows).map { left, right in
      zip(left, right).map { max($0.norm, $1.norm) }
    }
  }

  /// The largest distance of a row as a share of its norm.
  public var relativeDistance: Double {
    zip(rows.joined(), norms.joined()).reduce(0) { largest, pair in
      let share = pair.0 == 0 ? 0 : pair.0 / pair.1
      return share.isNaN || largest.isNaN ? .nan : max(largest, share)
    }
  }
}

package import Storage

/// The constraints that an operation's operands put on the shape of its target.
public enum Extent: Sendable, Hashable {
  /// A weight of `output` × `input` elements; nil for what the operands leave open, but for its being
  /// a multiple of a number, or at most one; or its having no kernel. A kernel [in, k, …] makes it a convolution's
  /// [out, in, k, …], stored `out_in`.
  case matrix(
    output: Int?, input: Int?, kernel: [Int] = [], inputMultiple: Int = 1,
    maximumInput: Int = .max, isFlat: Bool = false)
  /// A weight with an axis of this length; the input axis of a grouped convolution is a part of it.
  case axis(Int, Multiply.Side)
  /// A stack of weights, [E, out, in] or, `in_out`, [E, in, out].
  case experts(Int, output: Int, input: Int)
  /// Any shape of this many elements.
  case elements(Int)
  /// This shape, or one that differs in its first dimension only.
  case tensor([Int], canResize: Bool)
  /// More rows than this, of this shape.
  case rows(above: Int, of: [Int])

  /// True if it is a stack of weights.
  package var isStack: Bool {
    if case .experts = self { true } else { false }
  }

  /// True if the weight has at most 2^53 − 1 elements, or its sides are not both known ([OPS-5]).
  var hasLegalSize: Bool {
    let sizes: [Int] =
      switch self {
      case .matrix(let output?, let input?, _, _, _, _): [output, input]
      case .experts(let count, let output, let input): [count, output, input]
      case .matrix, .axis, .elements, .tensor, .rows: []
      }
    return Shape(sizes.map { UInt64($0) }) != nil
  }

  /// Returns true if a stored tensor may have this shape; `layout` counts for weights only.
  public func fits(_ shape: [Int], _ layout: Layout) -> Bool {
    switch self {
    case .matrix(let output, let input, let kernel, let multiple, let maximum, let isFlat):
      guard shape.count >= 2, (layout != .inOut && !isFlat) || shape.count == 2 else {
        return false
      }
      guard kernel.isEmpty || (layout == .outIn && Array(shape.dropFirst()) == kernel) else {
        return false
      }
      let (first, rest) = (shape[0], shape.dropFirst().reduce(1, *))
      let (rows, columns) = layout == .inOut ? (rest, first) : (first, rest)
      return (output == nil || output == rows) && (input == nil || input == columns)
        && columns.isMultiple(of: multiple) && columns <= maximum
    case .axis(let length, let side):
      guard shape.count >= 2, layout != .inOut || shape.count == 2 else { return false }
      let (output, input) = layout == .inOut ? (shape[1], shape[0]) : (shape[0], shape[1])
      guard side == .input else { return output == length }
      guard input != length else { return true }
      guard shape.count > 2, input > 0, length > 0, length.isMultiple(of: input) else {
        return false
      }
      return output.isMultiple(of: length / input)
    case .experts(let count, let output, let input):
      return shape == [count] + (layout == .inOut ? [input, output] : [output, input])
    case .elements(let count): return shape.reduce(1, *) == count
    case .tensor(let own, let canResize):
      return shape == own
        || (canResize && shape.count == own.count && shape.dropFirst() == own.dropFirst())
    case .rows(let last, let row):
      return shape.count == row.count + 1 && shape[0] > last && Array(shape.dropFirst()) == row
    }
  }

  /// The shape of a stack of weights; nil for anything else.
  package func stackShape(_ layout: Layout) -> Shape? {
    guard case .experts(let count, let output, let input) = self else { return nil }
    let sizes = [count] + (layout == .inOut ? [input, output] : [output, input])
    return Shape(sizes.map { UInt64($0) })
  }

  /// The shape for an error message, as `[out, in]`.
  public func description(_ layout: Layout) -> String {
    func number(_ value: Int?) -> String { value.map { "\($0)" } ?? "any" }
    switch self {
    case .matrix(let output, let input, let kernel, _, _, _):
      let parts = kernel.isEmpty ? [number(input)] : kernel.map { "\($0)" }
      let all = layout == .inOut ? parts + [number(output)] : [number(output)] + parts
      return "[" + all.joined(separator: ", ") + "]"
    case .experts(let count, let output, let input):
      return "\([count] + (layout == .inOut ? [input, output] : [output, input]))"
    case .axis(let length, let side): return "\(length) along the \(side.rawValue) axis"
    case .elements(let count): return "\(count) elements"
    case .tensor(let shape, _): return "\(shape)"
    case .rows(let last, let row):
      return "[\(last + 1) or more\(row.map { ", \($0)" }.joined())]"
    }
  }
}

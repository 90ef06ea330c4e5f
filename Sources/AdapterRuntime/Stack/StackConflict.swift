internal import Operations
public import Storage
public import StrictJSON

/// Two operations, of one adapter or of two, that cannot both change a parameter (Spec/adp-v1.md, 8.21).
public struct StackConflict: Error, Sendable, Hashable {
  /// The parameter.
  public let parameter: Name
  /// The adapter that comes first.
  public let first: String
  /// The one that cannot follow it.
  public let second: String
  /// The reason for the conflict.
  public let kind: Kind
  /// True if both are of one adapter, which contradicts itself.
  public let isOfOneAdapter: Bool
  /// True if they could change it in the other order.
  public let isCuredByExchange: Bool

  /// A reason why two changes of one parameter conflict.
  @nonexhaustive
  public enum Kind: Sendable, Hashable {
    /// Both replace it, by different values.
    case replacedTwice
    /// It is replaced, and rows that were given to it before would be lost.
    case replacedAfterRows
    /// It is replaced, and what was done to it before would be lost.
    case replacedAfterChange
    /// Both replace this row, by different values.
    case sameRow(Int)
    /// Rows of it are replaced, and what was done to them before would be lost.
    case rowsAfterChange
    /// Both rotate it.
    case rotatedTwice
    /// The first gives it another shape than the second is for.
    case shapes(Shape, Shape)
    /// One gives it the bits back that it had before a change, and another changes it too.
    case restored
  }
}

extension StackConflict: CustomStringConvertible {
  /// One line for people.
  public var description: String {
    let it = isOfOneAdapter ? "it" : first
    return switch kind {
    case .replacedTwice: both("replace \(parameter), by different values")
    case .replacedAfterRows:
      "\(second) replaces \(parameter) after \(it) has replaced rows of it, which would be lost"
    case .replacedAfterChange:
      "\(second) replaces \(parameter) after \(it) has changed it, which would be lost"
    case .sameRow(let row): both("replace row \(row) of \(parameter), by different values")
    case .rowsAfterChange:
      "\(second) replaces rows of \(parameter) after \(it) has changed them, which would be lost"
    case .rotatedTwice: both("rotate \(parameter), and the result depends on which is first")
    case .shapes(let made, let wanted):
      "\(first) makes \(parameter) \(made), and \(second) is for \(wanted)"
    case .restored:
      both("change \(parameter), and one of the changes takes another back bit for bit")
    }
  }

  private func both(_ verb: String) -> String {
    isOfOneAdapter ? "two operations of \(first) \(verb)" : "\(first) and \(second) both \(verb)"
  }

  private var advice: String? {
    if isOfOneAdapter { return "\(first) contradicts itself: make it again" }
    return isCuredByExchange ? "put \(second) before \(first)" : "leave one of them out"
  }

  /// The error, with what to do about it.
  var error: AdapterError {
    AdapterError(.conflict, at: [parameter.text], description, advice: advice, cause: self)
  }
}

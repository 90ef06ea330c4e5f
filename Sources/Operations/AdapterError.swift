/// Why an adapter cannot be used as asked, although its bytes are in order: the kind of fault, where it is, and a
/// reason for people.
public struct AdapterError: Error, Hashable, Sendable {
  /// The kind: programs decide by it.
  public let kind: Kind
  /// The parameter, tensor or file that it is about; nil where the reason says it all.
  public let place: String?
  /// The reason, without the place: lower case, no full stop.
  public let reason: String

  /// A kind of fault.
  @nonexhaustive
  public enum Kind: String, Sendable, Hashable, CaseIterable {
    /// The numbers are not ones for which the operation is defined.
    case arithmetic
    /// The operation is not one for what was asked.
    case misuse
  }

  /// Describes a fault.
  public init(_ kind: Kind, at place: String? = nil, _ reason: String) {
    self.kind = kind
    self.place = place
    self.reason = reason
  }
}

extension AdapterError: CustomStringConvertible {
  /// One line for people.
  public var description: String { place.map { "\($0): \(reason)" } ?? reason }
}

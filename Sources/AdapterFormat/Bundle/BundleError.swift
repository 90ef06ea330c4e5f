/// Why adapters of several `.adp` files do not go into one.
package struct BundleError: Error, Sendable {
  /// A kind of obstacle.
  package enum Kind: Sendable, Hashable {
    /// Two adapters have one name, and nothing says which of them should have another.
    case sameName
    /// The files are for different bases.
    case otherBase
    /// One of the files cannot be used, or the bundle not be written.
    case file(FormatError)
  }

  /// The kind of obstacle.
  package let kind: Kind
  /// The file it is about, as messages call it; nil where it is about several, or about the output.
  package let place: String?
  /// One line for people.
  package let reason: String

  init(_ kind: Kind, _ reason: String) {
    self.kind = kind
    self.reason = reason
    place = nil
  }

  init(_ error: FormatError, in place: String? = nil) {
    kind = .file(error)
    self.place = place
    reason = error.description
  }
}

extension BundleError: CustomStringConvertible {
  /// One line for people.
  package var description: String { [place, reason].compactMap(\.self).joined(separator: ": ") }
}

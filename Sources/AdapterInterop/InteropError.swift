public import AdapterFormat
internal import Checkpoints
internal import Storage
public import StrictJSON
public import SystemPackage

/// Why a foreign adapter cannot be read or written: a kind for programs, a place, and the reason in words.
public struct InteropError: Error, Sendable {
  /// The kind of error.
  public let kind: Kind
  /// Where it is; nil where it is about the whole.
  public let place: Place?
  /// Why, without the place.
  public let reason: String
  /// The error of the bytes of the file in `place`; nil where they are in order.
  public let cause: FormatError?

  /// A kind of error.
  @nonexhaustive
  public enum Kind: Sendable, Hashable {
    /// The path holds no adapter of a known format.
    case notAnAdapter
    /// Only a pickle is there, which is never read.
    case pickle
    /// A rule of the format is broken, or parts of the adapter contradict each other.
    case malformed
    /// Something that no version of the format known here has, and that may mean something.
    case unknown
    /// The file holds no adapter of this name.
    case unknownAdapter
    /// Something that is understood, and cannot be expressed or is not supported.
    case unsupported
    /// The file leaves a question open, which `ImportChoices` can answer.
    case undecided(ImportChoices.Question)
    /// The adapter cannot be written in the format.
    case notExpressible
    /// Adapters that cannot be together in one folder.
    case conflict
    /// The bytes of the file are damaged, or against the rules of their format: `cause` says how.
    case bytes
  }

  /// Where it is.
  @nonexhaustive
  public enum Place: Sendable, Hashable {
    /// A file or folder.
    case file(FilePath)
    /// A field of a configuration of this name; its value as JSON, where that is what matters.
    case field(Name, of: String, value: String? = nil)
    /// A tensor.
    case tensor(Name)
    /// An operation, and the parameter it is for.
    case operation(String, on: Name?)
  }

  init(_ kind: Kind, at place: Place? = nil, _ reason: String) {
    self.kind = kind
    self.place = place
    self.reason = reason
    cause = nil
  }

  /// Creates the error for something that an export cannot hold, to be thrown unless the loss is allowed.
  public init(_ loss: ForeignExport.Loss) {
    self.init(.notExpressible, at: loss.place, loss.reason)
  }

  private init(_ cause: FormatError, at place: Place) {
    kind = .bytes
    self.place = place
    reason = cause.description
    self.cause = cause
  }
}

extension InteropError: CustomStringConvertible {
  /// One line for people.
  public var description: String {
    switch (kind, place) {
    case (_, nil): reason
    case (.pickle, .file(let path)): "\(path) \(reason)"
    case (.unknown, .field(let field, let file, _)):
      "\(file): unknown field \"\(field)\", \(reason)"
    case (_, .file(let path)): "\(path): \(reason)"
    case (_, .field(let field, let file, nil)): "\(file): \(field): \(reason)"
    case (_, .field(let field, let file, let value?)): "\(file): \(field) is \(value): \(reason)"
    case (_, .tensor(let name)): "tensor \(name): \(reason)"
    case (_, .operation(let name, nil)): "\(name): \(reason)"
    case (_, .operation(let name, let target?)): "\(name) on \(target): \(reason)"
    }
  }
}

// MARK: - Of layers below

extension InteropError {
  /// An error of a file that is not the one the user has named.
  static func format(_ error: FormatError, in path: FilePath) -> InteropError {
    InteropError(error, at: .file(path))
  }
}

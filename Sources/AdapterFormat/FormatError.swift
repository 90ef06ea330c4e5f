public import Storage
public import StrictJSON

/// Why bytes are not an adapter file, or why a part of it cannot be used; `kind` is that of Spec/adp-v1.md,
/// section 11.
@nonexhaustive
public enum FormatError: Error, Hashable, Sendable {
  /// The file does not begin with the magic.
  case notAdapter
  /// The header is of another version, or of another revision of its text.
  case version(major: UInt8, revision: UInt8)
  /// The file is shorter than its envelope, or its end is missing.
  case truncated(length: UInt64)
  /// The footer contradicts the file.
  case footer(String)
  /// A limit of the format is passed.
  case limit(String)
  /// The manifest digest is wrong.
  case digest
  /// A frame is not in the fixed form, or does not decode to what it should.
  case frame(String)
  /// The manifest's text is not in the strict profile of JSON.
  case json(JSONError)
  /// The manifest breaks a rule of the format.
  case manifest(String)
  /// The file needs something that this reader does not know.
  case requires(String)
  /// The checksum of a chunk's stored bytes is wrong.
  case checksum(String)
  /// A tensor's restored bytes do not have its digest.
  case tensor(Name)
  /// To do what was asked for would take more memory or time than a file of this length is worth.
  case excess(String)
  /// A part of a later version was asked for.
  case unsupported(String)
  /// The bytes cannot be read or written.
  case storage(StorageError)

  /// The kind's name in the specification; nil for `storage`, which is no fault of the file.
  public var kind: String? {
    switch self {
    case .notAdapter: "not-adp"
    case .version: "version"
    case .truncated: "truncated"
    case .footer: "footer"
    case .limit, .excess: "limit"
    case .digest: "digest"
    case .frame: "frame"
    case .json, .manifest: "manifest"
    case .requires: "requires"
    case .checksum: "checksum"
    case .tensor: "tensor"
    case .unsupported: "unsupported"
    case .storage: nil
    }
  }
}

extension FormatError: CustomStringConvertible {
  /// One line for people.
  public var description: String {
    switch self {
    case .notAdapter: "not an .adp file"
    case .version(1, 0):
      "an .adp file of a draft of the format, before 1.0-rc.1"
    case .version(1, 1): "an .adp file of version 1 whose header this program does not know"
    case .version(let major, let revision):
      "an .adp file of version \(major), revision \(revision), which this program does not read"
    case .truncated(let length): "cut short or damaged at the end (\(length) bytes)"
    case .footer(let what): "damaged footer: \(what)"
    case .limit(let what): "over a limit of the format: \(what)"
    case .excess(let what): "too much for a file of its length: \(what)"
    case .digest: "damaged manifest: its digest is wrong"
    case .frame(let what): "bad frame: \(what)"
    case .json(let error): "bad manifest: \(error)"
    case .manifest(let what): "bad manifest: \(what)"
    case .requires(let what): "needs \"\(what)\", which this program does not know"
    case .checksum(let place): "damaged: wrong checksum in \(place)"
    case .tensor(let name): "damaged: tensor \(name) does not have its digest"
    case .unsupported(let what): "not supported by this version: \(what)"
    case .storage(let error): error.description
    }
  }
}

/// Runs a call of the file layer, and wraps its error.
func storing<Value>(
  _ body: () throws(StorageError) -> Value
) throws(FormatError) -> Value {
  try rethrowing(as: FormatError.storage, body)
}

/// Runs a step of the JSON reader: a wrong type breaks a rule of the manifest, anything else the
/// JSON profile.
func parsing<Value>(_ body: () throws(JSONError) -> Value) throws(FormatError) -> Value {
  do throws(JSONError) {
    return try body()
  } catch {
    if case .expected(let what) = error.fault {
      throw .manifest(
        "expected \(what)" + (error.offset.map { " at byte \($0) of the manifest" } ?? ""))
    }
    throw .json(error)
  }
}

public import Storage
public import StrictJSON
public import SystemPackage

/// Why a file is not a tokenizer that can be used, or a text cannot be put into a chat's form.
@nonexhaustive
public enum TokenizerError: Error, Hashable, Sendable {
  /// The file cannot be read.
  case storage(StorageError)
  /// The file is larger than a tokenizer may be, in bytes.
  case tooLarge(FilePath, UInt64)
  /// The file is not JSON in the strict profile.
  case json(FilePath, JSONError)
  /// The file contradicts itself.
  case invalid(FilePath, String)
  /// The file asks for what is not implemented.
  case unsupported(FilePath, String)
  /// No known form of chat fits the tokenizer.
  case chat(String)
}

extension TokenizerError: CustomStringConvertible {
  /// One line for people.
  public var description: String {
    switch self {
    case .storage(let error): error.description
    case .tooLarge(let path, let count):
      "\(path): \(count) bytes are too many for a tokenizer, the limit is \(TokenizerFile.sizeLimit)"
    case .json(let path, let error): "\(path): bad JSON: \(error)"
    case .invalid(let path, let what): "\(path): bad tokenizer: \(what)"
    case .unsupported(let path, let what): "\(path): \(what) is not supported"
    case .chat(let what): what
    }
  }
}

/// The fault of a tokenizer, before its file is named.
enum TokenizerFault: Error {
  case json(JSONError)
  case invalid(String)
  case unsupported(String)

  func naming(_ path: FilePath) -> TokenizerError {
    switch self {
    case .json(let error): .json(path, error)
    case .invalid(let what): .invalid(path, what)
    case .unsupported(let what): .unsupported(path, what)
    }
  }
}

extension String {
  /// Between quotes, without control characters, and not longer than a line should be.
  var quotedForError: String {
    var text = ""
    for scalar in unicodeScalars.prefix(60) {
      let isPlain = scalar.value >= 0x20 && scalar.value != 0x7F && scalar.properties.isGraphic
      text += isPlain ? String(scalar) : "\\u{" + String(scalar.value, radix: 16) + "}"
    }
    return "\"" + text + (unicodeScalars.dropFirst(60).isEmpty ? "\"" : "...\"")
  }
}

extension Unicode.Scalar.Properties {
  fileprivate var isGraphic: Bool {
    switch generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator,
      .paragraphSeparator:
      false
    default: true
    }
  }
}

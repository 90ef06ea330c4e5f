public import Storage
public import StrictJSON
public import SystemPackage

/// Why files are not a checkpoint, or not one that can be used.
@nonexhaustive
public enum CheckpointError: Error, Hashable, Sendable {
  /// The file is not safetensors, or breaks a rule of it.
  case safetensors(FilePath, String)
  /// A JSON text of the checkpoint is not in the strict profile.
  case json(FilePath, JSONError)
  /// The index of the shards contradicts them, or names what is not there.
  case index(FilePath, String)
  /// The folder holds no weights in safetensors; the second value says what it holds instead.
  case noWeights(FilePath, String)
  /// A parameter is stored in a scheme whose tensors contradict each other, or that is not read.
  case quantised(Name, QuantisationScheme, String)
  /// All parameters are stored in a scheme that is known by its name only, which is the second value.
  case unreadScheme(FilePath, String)
  /// A parameter cannot be stored again in its scheme with the values that it is to have.
  case notMade(Name, QuantisationScheme, String)
  /// Values of a quantised parameter are not finite.
  case notFinite(Name, QuantisationScheme)
  /// A file cannot be read or written.
  case storage(StorageError)
}

extension CheckpointError: CustomStringConvertible {
  /// One line for people.
  public var description: String {
    switch self {
    case .safetensors(let path, let what): "\(path): bad safetensors: \(what)"
    case .json(let path, let error): "\(path): bad JSON: \(error)"
    case .index(let path, let what): "\(path): \(what)"
    case .noWeights(let path, let what): "\(path): \(what)"
    case .quantised(let name, let scheme, let what):
      "\(name) is stored as \(scheme.rawValue), and cannot be read: \(what)"
    case .notMade(let name, let scheme, let what):
      "\(name) cannot be stored as \(scheme.rawValue) again: \(what)"
    case .unreadScheme(let path, let name): "\(path): quantised by \(name), which is not read"
    case .notFinite(let name, let scheme):
      "\(name) is stored as \(scheme.rawValue), and holds values that are not finite: its scales are damaged"
    case .storage(let error): error.description
    }
  }
}

func storing<Value>(
  _ body: () throws(StorageError) -> Value
) throws(CheckpointError) -> Value {
  try rethrowing(as: CheckpointError.storage, body)
}

func parsing<Value>(
  _ path: FilePath, _ body: () throws(JSONError) -> Value
) throws(CheckpointError) -> Value {
  do throws(JSONError) {
    return try body()
  } catch {
    throw .json(path, error)
  }
}

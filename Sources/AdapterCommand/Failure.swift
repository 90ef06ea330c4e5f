internal import AdapterFormat
internal import AdapterInterop
internal import AdapterRuntime
internal import Checkpoints
internal import Storage
internal import SystemPackage

/// Why a command ends without a result: one line, often a hint, and the exit status.
struct Failure: Error {
  let message: String
  let hint: String?
  let status: Int32

  init(_ message: String, hint: String? = nil, status: Int32 = 2) {
    self.message = message
    self.hint = hint
    self.status = status
  }

  func report() {
    Terminal.report("error", message)
    if let hint { Terminal.report("hint", hint) }
  }
}

extension Failure {
  init(_ error: StorageError) {
    let hint: String? =
      switch error {
      case .outputExists: "to replace it: --force"
      default: nil
      }
    self.init(error.description, hint: hint)
  }

  /// An error of the format, in a file that was named on the command line.
  init(_ error: FormatError, in path: FilePath) {
    switch error {
    case .storage(let error): self.init(error)
    case .notAdapter:
      self.init("\(path): \(error)", hint: FileGuess(path).hint)
    default: self.init("\(path): \(error)", hint: error.hint)
    }
  }

  init(_ error: InteropError, in path: FilePath) {
    switch error {
    case .storage(let error): self.init(error)
    case .format(let error): self.init(error, in: path)
    case .adapter(let path, let error): self.init(error, in: path)
    default: self.init(error.description, hint: error.hint)
    }
  }

  init(_ error: CheckpointError) {
    if case .storage(let error) = error { self.init(error) } else { self.init(error.description) }
  }
}

extension FormatError {
  fileprivate var hint: String? {
    switch self {
    case .truncated, .footer, .digest, .frame, .checksum, .tensor: "get the file again"
    case .version, .requires, .unsupported: "a newer version of adapter may read it"
    default: nil
    }
  }
}

/// What a file that is no `.adp` looks like.
struct FileGuess {
  let hint: String?

  init(_ path: FilePath) {
    guard let file = try? File(path),
      let bytes = try? file.bytes(at: 0, count: Int(min(file.count, 64)))
    else {
      hint = nil
      return
    }
    let text = String(decoding: bytes, as: UTF8.self).lowercased()
    hint =
      if text.hasPrefix("version https://git-lfs") {
        "this is a git-lfs pointer: run git lfs pull"
      } else if text.hasPrefix("<!doctype html") || text.hasPrefix("<html") {
        "this is a web page: download the file itself"
      } else if bytes.starts(with: [0x50, 0x4B, 3, 4]) {
        "this is a zip or a PyTorch pickle, which is never read"
      } else if bytes.count > 8, bytes[8] == UInt8(ascii: "{") {
        "this looks like safetensors: give the folder that also holds adapter_config.json"
      } else { nil }
  }
}

internal import AdapterFormat
internal import AdapterInterop
internal import AdapterRuntime
internal import Checkpoints
internal import Storage
internal import StrictJSON
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
      self.init("\(path): \(error)", hint: (try? PathContents(of: path))?.hint)
    default: self.init("\(path): \(error)", hint: error.hint)
    }
  }

  init(_ error: InteropError, in path: FilePath) {
    guard let cause = error.cause else {
      self.init(error.description, hint: error.hint)
      return
    }
    if case .file(let place) = error.place {
      self.init(cause, in: place)
    } else {
      self.init(cause, in: path)
    }
  }

  init(_ error: BundleError, in path: FilePath) {
    if case .file(let cause) = error.kind {
      self.init(cause, in: error.place.map { FilePath($0) } ?? path)
    } else {
      self.init(
        error.description, hint: error.kind == .sameName ? "give them names: NAME=FILE" : nil)
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
    case .version(1, 0): "make it again from its source: no program reads such files any more"
    case .version, .requires, .unsupported: "a newer version of adapter may read it"
    default: nil
    }
  }
}

extension InteropError {
  /// What to do about it; nil where the error says so itself.
  fileprivate var hint: String? {
    switch (kind, place) {
    case (.pickle, _):
      "in Python: safetensors.torch.save_file(torch.load(FILE, weights_only=True), \"adapter_model.safetensors\")"
    case (.unsupported, .field("init_lora_weights", _, _)):
      "in PEFT, save_pretrained(…, path_initial_model_for_weight_conversion=…) makes a plain LoRA of it"
    case (.undecided(.prefixOrder), _):
      "trained with transformers 4.44 or later: --prefix-order interleaved; before: --prefix-order split"
    case (.undecided(.base), _):
      "give the base it was trained on: --base"
    case (.unknown, .field(let field, _, _)):
      "if it does not change what the adapter computes: adapter convert --ignore-field \(field)"
    case (.conflict, _): "unpack them one by one: FILE#NAME"
    default: nil
    }
  }
}

extension PathContents {
  /// What to do about a path that was taken for an `.adp` file, and holds something else.
  fileprivate var hint: String? {
    switch self {
    case .stranger(.largeFilePointer): "this is a git-lfs pointer: run git lfs pull"
    case .stranger(.webPage): "this is a web page: download the file itself"
    case .stranger(.archive): "this is a zip or a PyTorch pickle, which is never read"
    case .checkpoint:
      "this looks like safetensors: give the folder that also holds adapter_config.json"
    case .foreign(let format): "this is \(format.title): adapter convert makes an .adp file of it"
    case .unpackedAdapter, .unpackedTensors:
      "this is of an unpacked adapter: adapter pack makes an .adp file of its folder"
    case .stranger, .adapterFile: nil
    }
  }
}

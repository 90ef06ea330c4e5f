public import AdapterFormat
public import Checkpoints
public import Storage
public import StrictJSON
public import SystemPackage

/// Why a foreign adapter cannot be converted.
@nonexhaustive
public enum InteropError: Error, Sendable {
  /// The path holds no adapter of a known format.
  case notAnAdapter(FilePath, String)
  /// Only a pickle is there, which is never read.
  case pickle(FilePath)
  /// The configuration is not JSON in the strict profile.
  case json(FilePath, JSONError)
  /// The configuration lacks a field, or a field has an impossible value.
  case config(field: String, String)
  /// A field has a value that changes the mathematics in a way this version does not know.
  case unsupportedField(field: String, value: String, reason: String)
  /// A field that no version of PEFT known here writes has a value that may mean something.
  case unknownField(String)
  /// The method is not supported, for a reason where there is one.
  case unsupportedMethod(String, reason: String?)
  /// A prefix whose file cannot say in which order it is laid out.
  case undecidedPrefix
  /// A tensor whose part in the method is not understood.
  case unknownTensor(Name, reason: String)
  /// Tensors contradict each other or the configuration.
  case tensors(String)
  /// The adapter cannot be written in the format.
  case notExpressible(String)
  /// A folder of our own form breaks a rule of Spec/folder.md; the path is that of the file in it.
  case folder(FilePath, String)
  /// The `manifest.json` of such a folder, or one of several `.adp` files, breaks a rule of the format.
  case adapter(FilePath, FormatError)
  /// Adapters cannot be in one file; the second text says what to do about it.
  case bundle(String, hint: String?)
  /// A safetensors file is malformed.
  case checkpoint(CheckpointError)
  /// An `.adp` file is malformed.
  case format(FormatError)
  /// A file cannot be read or written.
  case storage(StorageError)
}

extension InteropError: CustomStringConvertible {
  /// One line for people.
  public var description: String {
    switch self {
    case .notAnAdapter(let path, let what): "\(path): \(what)"
    case .pickle(let path): "\(path) is a pickle, which is never read"
    case .json(let path, let error): "\(path): bad JSON: \(error)"
    case .config(let field, let what): "adapter_config.json: \(field): \(what)"
    case .unsupportedField(let field, let value, let reason):
      "adapter_config.json: \(field) is \(value): \(reason)"
    case .unknownField(let field):
      "adapter_config.json: unknown field \"\(field)\", which may change what the adapter does"
    case .unsupportedMethod(let method, let reason):
      "peft_type \(method) is not supported" + (reason.map { ": \($0)" } ?? "")
    case .undecidedPrefix:
      "the prefix is for BLOOM, and nothing says whether its keys and values alternate"
    case .unknownTensor(let name, let reason): "tensor \(name): \(reason)"
    case .tensors(let what): what
    case .notExpressible(let what): what
    case .folder(let path, let what): "\(path): \(what)"
    case .adapter(let path, let error): "\(path): \(error)"
    case .bundle(let what, _): what
    case .checkpoint(let error): error.description
    case .format(let error): error.description
    case .storage(let error): error.description
    }
  }

  /// What to do about it; nil where the error says so itself.
  public var hint: String? {
    switch self {
    case .pickle:
      "in Python: safetensors.torch.save_file(torch.load(FILE, weights_only=True), \"adapter_model.safetensors\")"
    case .unsupportedField(let field, _, _) where field == "init_lora_weights":
      "in PEFT, save_pretrained(…, path_initial_model_for_weight_conversion=…) makes a plain LoRA of it"
    case .undecidedPrefix:
      "trained with transformers 4.44 or later: --prefix-order interleaved; before: --prefix-order split"
    case .unknownField(let field):
      "if it does not change what the adapter computes: adapter convert --ignore-field \(field)"
    case .bundle(_, let hint): hint
    default: nil
    }
  }
}

func storing<Value>(
  _ body: () throws(StorageError) -> Value
) throws(InteropError) -> Value {
  try rethrowing(as: InteropError.storage, body)
}

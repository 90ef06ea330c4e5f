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

  /// Tells of it on standard error: in two lines, or as the document `adapter.error/1` of Spec/cli.md.
  func report(asJSON: Bool) {
    guard asJSON else {
      Terminal.report("error", message)
      if let hint { Terminal.report("hint", hint) }
      return
    }
    var writer = JSONWriter()
    writer.object { writer in
      writer.member("schema", "adapter.error/1")
      writer.member("message", message)
      writer.member("hint", hint)
      writer.member("status", UInt64(status))
    }
    Terminal.writeError(String(decoding: writer.bytes, as: UTF8.self) + "\n")
  }
}

extension Failure {
  init(_ error: StorageError) {
    let hint: String? =
      switch error {
      case .outputExists: "to replace it: --force"
      case .noRoom: "make room, or write it to another disk"
      case .system("read", let path, .noSuchFileOrDirectory) where Double(path.string) != nil:
        "a weight goes after a colon: ADAPTER:\(path)"
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
    switch error {
    case .storage(let error): self.init(error)
    case .safetensors(let path, _):
      let stranger = try? PathContents.Stranger(lookingAt: path)
      self.init(error.description, hint: stranger?.hint)
    case .unreadScheme: self.init(error.description, hint: "take the unquantised original")
    case .notMade: self.init(error.description, hint: "write floats: --dequantize")
    case .notFinite:
      self.init(error.description, hint: "to write them all the same: --allow-non-finite")
    default: self.init(error.description)
    }
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
  /// The advice for the error; nil if the error itself gives it.
  fileprivate var hint: String? {
    switch (kind, place) {
    case (.pickle, _):
      "in Python: safetensors.torch.save_file(torch.load(FILE, weights_only=True), \"adapter_model.safetensors\")"
    case (.unsupported, .field("init_lora_weights", _, _)):
      "in PEFT, save_pretrained(…, path_initial_model_for_weight_conversion=…) makes a plain LoRA of it"
    case (.malformed, .field("alpha_pattern", _, _)), (.malformed, .field("rank_pattern", _, _)):
      "name the modules that the pattern is for, one by one: they are matched from their ends"
    case (.undecided(.prefixOrder), _):
      "trained with transformers 4.44 or later: --prefix-order interleaved; before: --prefix-order split"
    case (.undecided(.base), _):
      "give the base it was trained on: --base"
    case (.unknown, .field(let field, _, _)):
      "if it does not change what the adapter computes: adapter convert --ignore-field \(field)"
    case (.unknown, .tensor(let name)):
      "where it belongs to a trainer and not to the model: convert, check and merge leave it out with --drop \(name); "
        + "* stands for any part of a name"
    case (.undecided(.component), _):
      "name the part of the pipeline: --component, with "
        + PipelineComponent.allCases.map(\.rawValue).joined(separator: ", ")
    case (.undecided(.adapter), _):
      "name one: PATH#NAME"
    case (.conflict, _): "unpack them one by one: FILE#NAME"
    default: nil
    }
  }
}

extension PathContents.Stranger {
  /// The advice for it; nil if there is none.
  fileprivate var hint: String? {
    switch self {
    case .largeFilePointer: "this is a git-lfs pointer: run git lfs pull"
    case .webPage: "this is a web page: download the file itself"
    case .archive: "this is a zip or a PyTorch pickle, which is never read"
    case .program(let program): program.hint
    case .mlxTensors:
      "these are tensors of MLX, whose scale is in adapter_config.json: put both into one folder, this one as "
        + "adapters.safetensors"
    case .factors:
      "these are a LoRA's tensors, whose scale is in adapter_config.json: put both into one folder, this one as "
        + "adapter_model.safetensors"
    case .folderOfAdapters(let names):
      "adapters are in " + names.prefix(5).joined(separator: ", ")
        + (names.count > 5 ? " and \(names.count - 5) more" : "")
    case .absent, .folder, .unknown: nil
    }
  }
}

extension OtherProgram {
  /// The name of the program's files, and the way out.
  fileprivate var hint: String {
    switch self {
    case .adapterHub:
      "this is of AdapterHub's adapters, most of which are bottleneck layers and no change of weights; a LoRA trained "
        + "with PEFT can be read"
    case .openDelta:
      "this is of OpenDelta, which is not read: save the tuned model, and use adapter extract"
    case .torchtune:
      "this is a pickle of torchtune, never read: it writes a PEFT folder beside it, which is"
    case .nemo: "this is of NeMo: export it to PEFT, with Megatron-Bridge or NeMo's own converter"
    case .distributedCheckpoint:
      "these are shards of a training run: gather them, with zero_to_fp32.py or torch.distributed.checkpoint, and save "
        + "the adapter with save_pretrained"
    case .foundationModels:
      "this is for Apple's Foundation Models, whose base is a part of the system"
    case .npz:
      "these are arrays of numpy without their configuration: fuse or train again with a newer mlx-lm"
    @unknown default: "this is of a program whose adapters are not read"
    }
  }
}

extension PathContents {
  /// The advice for a path that was taken for an `.adp` file, and holds something else.
  var hint: String? {
    switch self {
    case .stranger(let stranger): stranger.hint
    case .checkpoint:
      "this looks like safetensors: give the folder that also holds adapter_config.json"
    case .foreign(let format): "this is \(format.title): adapter convert makes an .adp file of it"
    case .unpackedAdapter, .unpackedTensors:
      "this is of an unpacked adapter: adapter pack makes an .adp file of its folder"
    case .adapterFile: nil
    }
  }
}

internal import AdapterFormat
internal import AdapterInterop
internal import Checkpoints
internal import Operations
internal import Storage
internal import SystemPackage

/// Runs a step of the library; an error of it becomes what the command says, of the file that was worked on.
func failing<Value>(_ path: FilePath?, _ body: () throws -> Value) throws(Failure) -> Value {
  do {
    return try body()
  } catch {
    throw Failure(error, in: path)
  }
}

extension Failure {
  /// Any error of the library.
  ///
  /// - Parameters:
  ///   - error: the error.
  ///   - path: the adapter that was worked on, which errors of its bytes do not name.
  init(_ error: any Error, in path: FilePath?) {
    switch error {
    case let error as Failure: self = error
    case let error as AdapterError:
      guard error.kind == .unreadable, let cause = error.cause else {
        self.init(error.message, hint: error.hint)
        return
      }
      // The label is the path: an error of the file names it already.
      self.init(cause, in: error.adapter.map { FilePath($0) } ?? path)
    case let error as FormatError:
      if let path { self.init(error, in: path) } else { self.init(error.description) }
    case let error as BundleError:
      if let path { self.init(error, in: path) } else { self.init(error.description) }
    case let error as InteropError:
      if let path { self.init(error, in: path) } else { self.init(error.description) }
    case let error as CheckpointError: self.init(error)
    case let error as StorageError: self.init(error)
    default: self.init("\(error)")
    }
  }
}

extension AdapterError {
  /// The error, with the option that it is about.
  fileprivate var message: String {
    kind == .unusedName ? "cannot be merged: --map \(description)" : description
  }

  /// The advice for the error, with the options of the command.
  var hint: String? {
    switch kind {
    case .undecidedLayout:
      "GPT-2 stores them so: --layout in_out; most models do not: --layout out_in"
    case .nonfinite where place != nil, .overflow: "to merge all the same: --allow-non-finite"
    case .notSharded: "to cut it: --shard-size"
    case .partsMissing:
      "each --part with the same base, adapters and options writes its share; without --part or --finish all are "
        + "written"
    case .othersDiffer, .targetsNotSampled: "to use it all the same: --allow-other-base"
    case .targetsDiffer where adapter != nil:
      "where it was trained on the result of the adapters before it: merge these first, and it into their result; "
        + "to use it all the same: --allow-other-base=targets"
    case .targetsDiffer:
      "to use it all the same, on a base that it was not made for: --allow-other-base=targets"
    case .near: "merge into the base that it was made for, or leave out --require-fingerprint"
    case .noFingerprint:
      "to record one: adapter convert ADAPTER -o NEW.adp --base BASE, with the base it was trained on"
    case .otherChanges: "to ignore them: --only-bias"
    case .ambiguous where place == nil:
      "name one target as the base has it, and the others follow: --map TARGET=STORED"
    case .tokenizers: "the folder whose tokenizer has the tokens of all: --tokenizer FOLDER"
    case .tied: "to give each a tensor of its own: --untie"
    case .unbound where place?.hasSuffix(".bias") == true:
      "where the base's layers have no bias: --add-missing-bias"
    case .unbound: "inspect BASE lists the names it has; to name one: --map TARGET=STORED"
    default: advice
    }
  }
}

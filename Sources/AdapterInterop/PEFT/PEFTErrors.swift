internal import Storage
internal import StrictJSON
internal import SystemPackage

// What goes wrong with PEFT's two files, by kind and place.

extension InteropError {
  /// A field is missing or has an impossible value.
  static func field(_ field: Name, _ reason: String) -> InteropError {
    InteropError(.malformed, at: .field(field, of: PEFTFolder.configName), reason)
  }

  /// A field has a value that changes the mathematics in a way this version does not know.
  static func unsupportedField(
    _ field: Name, value: String, _ reason: String
  ) -> InteropError {
    InteropError(
      .unsupported, at: .field(field, of: PEFTFolder.configName, value: value), reason)
  }

  /// A field that no version of PEFT known here writes has a value that may mean something.
  static func unknownField(_ field: Name) -> InteropError {
    InteropError(
      .unknown, at: .field(field, of: PEFTFolder.configName),
      "which may change what the adapter does")
  }

  /// A tensor's part in the method is not understood.
  static func unknownTensor(_ name: Name, _ reason: String) -> InteropError {
    InteropError(.unknown, at: .tensor(name), reason)
  }

  /// Tensors contradict each other or the configuration.
  static func tensors(_ reason: String) -> InteropError { InteropError(.malformed, reason) }

  /// A tensor is of eight-bit floats where they cannot be widened.
  static func eightBit(_ info: TensorInfo) -> InteropError {
    InteropError(
      .unsupported, at: .tensor(info.name),
      "of eight-bit floats (\(info.type.rawValue)): load the adapter with PEFT and save it again")
  }

  /// One file has tensors of several adapters.
  static func severalAdapters(_ names: [String]) -> InteropError {
    InteropError(.undecided(.adapter), "holds the adapters " + list(names))
  }

  /// An adapter is asked for that is not there.
  static func noAdapter(_ name: Name, of names: [String]) -> InteropError {
    InteropError(.unknownAdapter, "no adapter is called \(name): it holds " + list(names))
  }

  /// The same, in the folder where that is.
  func placed(in folder: FilePath) -> InteropError {
    switch kind {
    case .undecided(.adapter), .unknownAdapter: InteropError(kind, at: .file(folder), reason)
    default: self
    }
  }

  private static func list(_ names: [String]) -> String {
    names.prefix(4).joined(separator: ", ")
      + (names.count > 4 ? " and \(names.count - 4) more" : "")
  }

  /// A text is not JSON in the strict profile.
  static func json(_ path: FilePath, _ error: JSONError) -> InteropError {
    InteropError(.malformed, at: .file(path), "bad JSON: \(error)")
  }
}

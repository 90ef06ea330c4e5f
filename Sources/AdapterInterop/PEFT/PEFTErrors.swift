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

  /// A text is not JSON in the strict profile.
  static func json(_ path: FilePath, _ error: JSONError) -> InteropError {
    InteropError(.malformed, at: .file(path), "bad JSON: \(error)")
  }
}

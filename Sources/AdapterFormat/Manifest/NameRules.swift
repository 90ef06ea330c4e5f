internal import Storage
internal import StrictJSON

// Rules of names and shapes, wherever they stand.

extension Name {
  /// Holds it against the rule for names of tensors and parameters ([NAM-1]).
  func checkAsTensor() throws(FormatError) {
    var bytes = text
    // No branch inside, so that this becomes vector code.
    var isPlain = true
    bytes.withUTF8 { bytes in
      for index in bytes.indices {
        let byte = unsafe bytes[index]
        isPlain = isPlain && byte >= 0x20 && byte != 0x7F
      }
    }
    guard (1...Limits.nameBytes).contains(text.utf8.count), isPlain, text != "__metadata__" else {
      throw .manifest(
        "a name is 1 to 1,024 bytes without control characters, not \(text.debugDescription)")
    }
  }
}

extension Shape {
  /// Holds it against the limit of dimensions ([LIM-3]).
  ///
  /// - Parameter what: whose shape it is.
  /// - Throws: `FormatError.manifest`.
  func checkDimensions(of what: String) throws(FormatError) {
    guard dimensions.count <= Limits.dimensions else {
      throw .manifest("\(what) has a shape of more than \(Limits.dimensions) dimensions")
    }
  }
}

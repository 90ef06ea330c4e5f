/// How files hold the elements of a tensor.
///
/// A scheme of quantised weights is a file beside this one: a type that reads the tensors of the scheme, and gives runs
/// of elements as numbers. Nobody who reads a `StoredTensor` asks for the case.
enum StoredElements: Sendable {
  /// One after the other in one file, as the tensor's element type has them.
  case plain(PlainElements)
  /// In other tensors, as a scheme of quantised weights has them.
  case decoded(DecodedElements)
}

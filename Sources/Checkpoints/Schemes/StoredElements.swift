/// How files hold the elements of a tensor.
///
/// A scheme of quantised weights is a case here and a file beside this one: a type that reads the tensors of the
/// scheme, and gives runs of elements as numbers of the float type that the parameter has without it. Nobody who reads
/// a `StoredTensor` asks for the case.
enum StoredElements: Sendable {
  /// One after the other in one file, as the tensor's element type has them.
  case plain(PlainElements)
}

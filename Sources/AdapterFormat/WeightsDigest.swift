public import Storage
internal import StrictJSON

extension AdapterRecord {
  /// The weights digest (Spec/adp-v1.md, section 5.2): what the tensors are, whatever the layout,
  /// the metadata and the operations.
  public var weightsDigest: Digest {
    let lines = streams.flatMap { stream in
      stream.tensors.map { tensor in (tensor.name, stream.dtype, tensor.shape, tensor.digest) }
    }
    var hasher = DigestHasher()
    hasher.update(Array("adp-weights-1\n".utf8))
    for (name, dtype, shape, digest) in lines.sorted(by: { $0.0 < $1.0 }) {
      let dimensions = shape.dimensions.map(String.init).joined(separator: ",")
      hasher.update(Array("\(name)\t\(dtype)\t\(dimensions)\t\(digest)\n".utf8))
    }
    return hasher.finish()
  }
}

public import Storage
package import StrictJSON

extension AdapterRecord {
  /// The weights digest (Spec/adp-v1.md, section 5.2): what the tensors are but for carried files, whatever the layout,
  /// the metadata and the operations.
  public var weightsDigest: Digest {
    let carried = files.carriedTensors
    let lines = streams.flatMap { stream in
      stream.tensors.filter { !carried.contains($0.name) }
        .map { tensor in (tensor.name, stream.dtype, tensor.shape, tensor.digest) }
    }
    var text = Array("adp-weights-1\n".utf8)
    for (name, dtype, shape, digest) in lines.sorted(by: { $0.0 < $1.0 }) {
      text += name.text.utf8
      text += "\t\(dtype)\t".utf8
      text += shape.dimensions.map(String.init).joined(separator: ",").utf8
      text += "\t\(digest)\n".utf8
    }
    return Digest(of: text)
  }
}

extension [FileRecord] {
  /// The tensors that hold the files, which are not parameters.
  package var carriedTensors: Set<Name> { Set(compactMap(\.tensor)) }
}

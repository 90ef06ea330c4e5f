import Checkpoints
import Storage
import SystemPackage

/// safetensors files: what is accepted fills its file exactly, and is read again from a header that
/// our own writer makes of it.
enum SafetensorsBody {
  static func run(_ bytes: [UInt8]) throws(BrokenProperty) -> Bool {
    guard let file = try? SafetensorsContents(MemoryBytes(bytes), path: "input") else {
      return false
    }
    let header = file.header
    try BrokenProperty.unless(
      header.encoded == Array(bytes[..<Int(file.dataOffset)]), "the header is not kept")
    for tensor in header.tensors {
      let contents = try BrokenProperty.unlessHolds("every tensor is there") {
        () throws(StorageError) in
        try file.bytes.bytes(at: file.offset(of: tensor), count: tensor.info.byteCount)
      }
      try BrokenProperty.unless(contents.count == tensor.info.byteCount, "a tensor is cut short")
    }
    let infos = header.tensors.map(\.info)
    try check(SafetensorsHeader(canonical: infos, metadata: header.metadata), header)
    try check(SafetensorsHeader(inOrder: infos, metadata: header.metadata), header)
    return true
  }

  /// A header of the same tensors must be accepted, and say the same.
  private static func check(
    _ written: SafetensorsHeader, _ original: SafetensorsHeader
  ) throws(BrokenProperty) {
    let read = try BrokenProperty.unlessHolds("a header of accepted tensors is accepted") {
      () throws(CheckpointError) in
      try SafetensorsHeader(
        parsing: Array(written.text.utf8), dataByteCount: original.dataByteCount, path: "again")
    }
    try BrokenProperty.unless(
      Set(read.tensors) == Set(written.tensors) && read.metadata == original.metadata,
      "read again, the header says something else")
    try BrokenProperty.unless(
      Set(read.tensors.map(\.info)) == Set(original.tensors.map(\.info)), "tensors have changed")
  }
}

internal import AdapterFormat
internal import Checkpoints
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// Files beside an adapter that change how it is used: they travel with it, as tensors of bytes.
struct CarriedFiles {
  private(set) var records: [FileRecord] = []
  private(set) var tensors: [TensorContents] = []
  private(set) var notes: [String] = []

  /// The names that PEFT and transformers give them. None is of a program, or of a format that can hold one.
  static let names = TokenizerFiles.names.union(["README.md", "generation_config.json"])
  /// The tokenizer of a vocabulary of 256,000 tokens has 33 MB.
  private static let maximumByteCount: UInt64 = 64 << 20

  /// None.
  init() {}

  init(_ folder: PEFTFolder) throws {
    var left: [String] = []
    for name in folder.otherFiles {
      let path = folder.path.appending(name)
      let known =
        Self.names.contains(name)
        ? try File.ifThere(path) : nil
      guard let file = known, file.count <= Self.maximumByteCount, let shape = Shape([file.count])
      else {
        left.append(name)
        continue
      }
      let tensor = TensorInfo(name: Name("files/\(name)"), type: .u8, shape: shape)
      records.append(
        FileRecord(
          path: Name(name), size: file.count,
          digest: try file.digest(),
          tensor: tensor.name))
      tensors.append(TensorContents(tensor, bytes: file, offset: 0))
    }
    if !left.isEmpty { notes.append("not carried: " + left.joined(separator: ", ")) }
  }
}

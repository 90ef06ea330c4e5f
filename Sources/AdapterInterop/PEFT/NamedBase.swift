internal import Checkpoints
internal import Storage
internal import StrictJSON

/// A base whose parameters are compared with what a file holds of them.
struct NamedBase {
  private let checkpoint: Checkpoint
  private let ties: TiedParameters
  private let file: SafetensorsContents
  private let places: [Name: UInt64]

  init(_ checkpoint: Checkpoint, comparedWith file: SafetensorsContents) {
    self.checkpoint = checkpoint
    self.file = file
    ties = TiedParameters(checkpoint)
    places = Dictionary(
      file.header.tensors.map { ($0.info.name, file.offset(of: $0)) },
      uniquingKeysWith: { first, _ in first })
  }

  /// Returns true if a tensor of the file is the base's parameter of the same name, bit for bit.
  ///
  /// - Throws: `StorageError` where either cannot be read.
  func holds(_ info: TensorInfo, as name: PEFTName) throws -> Bool {
    let own = checkpoint.tensor(name.module)
    guard case .parameter = name.kind,
      let stored = own ?? ties.stored(for: name.module).flatMap({ checkpoint.tensor($0) }),
      let offset = places[info.name]
    else { return false }
    return try stored.isEqual(to: info, at: offset, in: file.bytes)
  }
}

package import Checkpoints
internal import Storage
internal import SystemPackage

extension Checkpoint {
  private static let maximumCardByteCount = 1 << 20

  /// The text of the card in its folder, where a merge has written that; nil of any other.
  ///
  /// - Throws: `StorageError` where it is there and cannot be read.
  package var mergedCard: String? {
    get throws {
      guard let path = folder?.appending(FolderChoices.cardName),
        let file = try File.ifThere(path),
        let bytes = try file.contents(limit: Self.maximumCardByteCount)
      else { return nil }
      let text = String(decoding: bytes, as: UTF8.self)
      let lines = text.split(separator: "\n")
      return lines.contains { $0 == FolderChoices.cardMark } ? text : nil
    }
  }
}

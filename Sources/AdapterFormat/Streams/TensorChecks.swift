internal import Storage

/// The digest of each tensor of a stream, and whether it holds a NaN or an infinity: worked out from all of its bytes,
/// which come batch by batch.
final class TensorChecks: Sendable {
  private let type: ElementType
  /// By tensor; those of tensors without bytes from the start.
  private let digests: Slots<Digest>
  private let nonfinite: Slots<Bool>
  /// Of the tensor in whose middle a batch ends: at the end of the last batch, and of this one. A batch begins with
  /// the first and ends with the second, which may be at work at the same time.
  private let unfinished = Slots<DigestHasher>(repeating: DigestHasher(), count: 2)

  init(_ type: ElementType, tensorCount: Int) {
    self.type = type
    digests = Slots(repeating: Digest(of: []), count: tensorCount)
    nonfinite = Slots(repeating: false, count: tensorCount)
  }

  /// The digest of a tensor of which all bytes have come.
  func digest(of tensor: Int) -> Digest { digests[tensor] }

  /// Returns true if a tensor holds a NaN or an infinity; all of its bytes must have come.
  func isNonFinite(_ tensor: Int) -> Bool { nonfinite[tensor] }

  /// Adds a group of a batch, of which `bytes` has all; groups may come at once, batches one after the other.
  func add(_ group: Range<Int>, of batch: StreamLayout.Batch, _ bytes: UnsafeRawBufferPointer) {
    for piece in batch.pieces[group] {
      let part = unsafe UnsafeRawBufferPointer(rebasing: bytes[piece.range])
      var hasher = piece.offset == 0 ? DigestHasher() : unfinished[(batch.number + 1) % 2]
      unsafe hasher.update(part)
      if piece.isLast {
        digests[piece.tensor] = hasher.finish()
      } else {
        unfinished[batch.number % 2] = hasher
      }
      if !nonfinite[piece.tensor], unsafe NonFinite.isPresent(in: part, of: type) {
        nonfinite[piece.tensor] = true
      }
    }
  }
}

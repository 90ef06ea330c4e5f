internal import Storage

/// Compresses planes; one for each thread. What it makes of a plane depends on the plane alone.
///
/// The mantissa planes of trained weights are noise: storing them costs nothing and loses nothing. The exponent
/// plane has few values and no order: entropy coding alone is both smaller and several times faster than a search
/// for matches. Only data with structure is worth a search.
@safe final class PlaneCompressor {
  private let level: CompressionLevel
  private let entropy = FrameCompressor(.entropy)
  private lazy var matches = FrameCompressor(.matches(level: level == .max ? 19 : 3))
  private let trial = ScratchMemory()

  init(_ level: CompressionLevel) {
    self.level = level
  }

  /// The room that the frame of a plane of n bytes may need while it is made.
  static func capacity(planeSize n: Int) -> Int {
    max(Frame.storedByteCount(contentSize: n), FrameCompressor.capacity(contentSize: n))
  }

  /// The treatment of a plane.
  enum Choice {
    /// It is noise.
    case stored
    /// Entropy coding, or one byte where all are the same.
    case entropy
    /// The better of entropy coding and a search for matches, by a trial on a piece.
    case trial
    /// The smallest of all: entropy coding, of one block or of several, and a search for matches.
    case smallest
  }

  /// Chooses by a sample of the plane, knowing whether it is one of floating-point numbers.
  func choose(_ sample: UnsafeRawBufferPointer, isFloat: Bool) -> Choice {
    if level == .max { return .smallest }
    let bits = unsafe PlaneSample.bitsPerByte(sample)
    if bits > 7.95 { return .stored }
    // Trained numbers do not repeat, unless they are nearly all the same.
    return level == .fast || (isFloat && bits > 1.5) ? .entropy : .trial
  }

  /// Writes the frame of a plane of at least one byte into at least its `capacity`, and returns its length.
  func compress(
    _ plane: UnsafeRawBufferPointer, _ choice: Choice, into output: UnsafeMutableRawBufferPointer
  ) throws(FormatError) -> Int {
    if choice == .stored { return unsafe Frame.store(plane, in: output) }
    if let byte = unsafe constant(plane) {
      return unsafe Frame.store(byte, count: plane.count, in: output)
    }
    let size =
      switch choice {
      case .stored, .entropy: try unsafe entropy.compress(plane, into: output)
      case .trial where try unsafe matchesPay(plane):
        try unsafe matches.compress(plane, into: output)
      case .trial: try unsafe entropy.compress(plane, into: output)
      case .smallest: try unsafe compressSmallest(plane, into: output)
      }
    // Nothing is ever larger than what is stored as it is, which also keeps to [FRM-4].
    guard size >= Frame.storedByteCount(contentSize: plane.count) else { return size }
    return unsafe Frame.store(plane, in: output)
  }

  /// Tries both on a piece from the middle.
  private func matchesPay(_ plane: UnsafeRawBufferPointer) throws(FormatError) -> Bool {
    let count = min(plane.count, 16 << 10)
    let start = (plane.count - count) / 2
    let piece = unsafe UnsafeRawBufferPointer(rebasing: plane[start..<start + count])
    let output = unsafe trial.bytes(count: FrameCompressor.capacity(contentSize: count))
    let coded = try unsafe entropy.compress(piece, into: output)
    return try unsafe matches.compress(piece, into: output) < coded
  }

  private func compressSmallest(
    _ plane: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws(FormatError) -> Int {
    let other = unsafe trial.bytes(count: FrameCompressor.capacity(contentSize: plane.count))
    var smallest = try unsafe entropy.compress(plane, into: output)
    func keep(_ size: Int) {
      guard size < smallest else { return }
      smallest = size
      unsafe output.copyMemory(
        from: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(other)[..<size]))
    }
    keep(try unsafe matches.compress(plane, into: other))
    let ends = unsafe BlockCuts.ends(plane)
    if ends.count > 1,
      let size = try unsafe entropy.compress(plane, into: other, endingBlocksAt: ends)
    {
      keep(size)
    }
    return smallest
  }

  /// The byte of which a plane consists; nil where there are others in it.
  private func constant(_ plane: UnsafeRawBufferPointer) -> UInt8? {
    let byte = unsafe plane[0]
    var start = 0
    while start < plane.count {
      let end = min(start &+ 4096, plane.count)
      var difference: UInt8 = 0
      for index in start..<end { unsafe difference |= plane[index] ^ byte }
      if difference != 0 { return nil }
      start = end
    }
    return byte
  }
}

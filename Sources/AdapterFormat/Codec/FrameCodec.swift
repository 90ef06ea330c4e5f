internal import CZstd
internal import Storage

/// Compresses frames; one for each thread.
@safe final class FrameCompressor {
  /// How hard to look.
  enum Effort {
    /// Entropy coding of the bytes as they are: no search for matches.
    case entropy
    /// Matches as well, at this level of Zstandard.
    case matches(level: Int32)
  }

  private let context: OpaquePointer

  init(_ effort: Effort) {
    guard let context = unsafe ZSTD_createCCtx() else { fatalError("out of memory") }
    unsafe self.context = unsafe context
    set(ZSTD_c_contentSizeFlag, 1)
    set(ZSTD_c_checksumFlag, 0)
    set(ZSTD_c_dictIDFlag, 0)
    switch effort {
    case .entropy:
      set(ZSTD_c_strategy, Int32(ZSTD_fast.rawValue))
      // A huge target length makes the search skip ahead at once, so that its table need not be large;
      // experimental parameter 5 is `literalCompressionMode`, 1 forces Huffman coding of the literals.
      set(ZSTD_c_targetLength, 128 << 10)
      set(ZSTD_c_hashLog, 6)
      set(ZSTD_c_experimentalParam5, 1)
    case .matches(let level): set(ZSTD_c_compressionLevel, level)
    }
  }

  deinit {
    unsafe ZSTD_freeCCtx(context)
  }

  /// The room that a frame of n bytes may need while it is made.
  static func capacity(contentSize n: Int) -> Int { ZSTD_compressBound(n) + Frame.Prefix.count }

  /// Writes a frame of the bytes, at least one, into at least the `capacity` for them, and returns its length.
  func compress(
    _ bytes: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws(FormatError) -> Int {
    setWindow(bytes.count)
    let room = unsafe room(in: output, contentSize: bytes.count)
    let size = unsafe ZSTD_compress2(
      context, room.baseAddress, room.count, bytes.baseAddress, bytes.count)
    guard ZSTD_isError(size) == 0 else { throw .frame("cannot compress: \(errorName(size))") }
    return try unsafe setPrefix(of: output, of: size, contentSize: bytes.count)
  }

  /// The same, with blocks that end at some places, ascending, the last of them the end of the bytes; nil where the
  /// frame is longer than the output, which may have any room.
  func compress(
    _ bytes: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer,
    endingBlocksAt ends: [Int]
  ) throws(FormatError) -> Int? {
    setWindow(bytes.count)
    var status = unsafe ZSTD_CCtx_setPledgedSrcSize(context, UInt64(bytes.count))
    let room = unsafe room(in: output, contentSize: bytes.count)
    var target = unsafe ZSTD_outBuffer(dst: room.baseAddress, size: room.count, pos: 0)
    var source = unsafe ZSTD_inBuffer(src: bytes.baseAddress, size: 0, pos: 0)
    for end in ends where status == 0 {
      unsafe source.size = end
      let directive = end == bytes.count ? ZSTD_e_end : ZSTD_e_flush
      // What is left to write is what did not fit.
      status = unsafe ZSTD_compressStream2(context, &target, &source, directive)
    }
    guard status == 0 else {
      _ = unsafe ZSTD_CCtx_reset(context, ZSTD_reset_session_only)
      guard ZSTD_isError(status) == 0 else {
        throw .frame("cannot compress: \(errorName(status))")
      }
      return nil
    }
    return try unsafe setPrefix(of: output, of: target.pos, contentSize: bytes.count)
  }

  /// The window covers the contents, which makes the frame a single segment.
  private func setWindow(_ count: Int) {
    set(ZSTD_c_windowLog, Int32(max(10, Int.bitWidth - (count - 1).leadingZeroBitCount)))
  }

  /// Where libzstd's frame of n bytes belongs, so that its blocks are where they have to be: it gives a small content
  /// size fewer bytes than [FRM-1] has.
  private func room(
    in output: UnsafeMutableRawBufferPointer, contentSize n: Int
  ) -> UnsafeMutableRawBufferPointer {
    let shift = min(output.count, Frame.Prefix.count - Frame.Prefix.shortest(contentSize: n))
    return unsafe UnsafeMutableRawBufferPointer(rebasing: output[shift...])
  }

  /// Puts the fixed beginning in the place of libzstd's, and returns the frame's length.
  private func setPrefix(
    of output: UnsafeMutableRawBufferPointer, of size: Int, contentSize n: Int
  ) throws(FormatError) -> Int {
    let frame = unsafe UnsafeRawBufferPointer(
      rebasing: UnsafeRawBufferPointer(room(in: output, contentSize: n))[..<size])
    let prefix = Frame.Prefix(contentSize: n)
    guard unsafe prefix.isShortest(frame) else {
      throw .frame("this version of libzstd does not write one segment of known size")
    }
    unsafe prefix.store(in: output)
    return size + Frame.Prefix.count - Frame.Prefix.shortest(contentSize: n)
  }

  private func set(_ parameter: ZSTD_cParameter, _ value: Int32) {
    let status = unsafe ZSTD_CCtx_setParameter(context, parameter, value)
    precondition(ZSTD_isError(status) == 0, errorName(status))
  }
}

/// Decompresses frames; one for each thread.
@safe final class FrameDecompressor {
  private let context: OpaquePointer

  init() {
    guard let context = unsafe ZSTD_createDCtx() else { fatalError("out of memory") }
    unsafe self.context = unsafe context
  }

  deinit {
    unsafe ZSTD_freeDCtx(context)
  }

  /// Decodes one frame, which must fill the output exactly ([FRM-1] to [FRM-3]).
  func decode(
    _ frame: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer, place: String
  ) throws(FormatError) {
    guard unsafe Frame.Prefix(contentSize: output.count).begins(frame) else {
      throw .frame("\(place) does not begin as a frame of \(output.count) bytes")
    }
    guard unsafe Frame.isWhole(frame, contentSize: output.count) else {
      throw .frame("\(place) is not one whole frame")
    }
    let size = unsafe ZSTD_decompressDCtx(
      context, output.baseAddress, output.count, frame.baseAddress, frame.count)
    guard ZSTD_isError(size) == 0, size == output.count else {
      throw .frame("\(place) does not decode to \(output.count) bytes")
    }
  }
}

private func errorName(_ status: Int) -> String {
  unsafe String(cString: ZSTD_getErrorName(status))
}

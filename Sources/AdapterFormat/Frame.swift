internal import CZstd
internal import Storage

/// Frames of section 3: Zstandard frames in one fixed form.
package enum Frame {
  /// The bytes that every frame of n bytes begins with ([FRM-1]).
  static func prefix(contentSize n: Int) -> [UInt8] {
    let magic: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD]
    switch n {
    case ..<256: return magic + [0x20, UInt8(n)]
    case ..<65_792:
      return magic + [0x60] + littleEndian(UInt64(n - 256), count: 2)
    default: return magic + [0xA0] + littleEndian(UInt64(n), count: 4)
    }
  }

  /// The largest block of any frame.
  private static let maximumBlock = 128 << 10

  /// Whether the blocks after the prefix end with the frame, none of them too large ([FRM-2]).
  static func isWhole(_ frame: UnsafeRawBufferPointer, contentSize n: Int) -> Bool {
    var offset = prefix(contentSize: n).count
    while offset + 3 <= frame.count {
      let header =
        unsafe Int(frame[offset]) | Int(frame[offset + 1]) << 8 | Int(frame[offset + 2])
        << 16
      let (isLast, type, size) = (header & 1 == 1, header >> 1 & 3, header >> 3)
      guard type != 3, size <= min(n, maximumBlock) else { return false }
      offset += 3 + (type == 1 ? 1 : size)
      if isLast { return offset == frame.count }
    }
    return false
  }

  /// Appends a frame whose blocks hold the bytes as they are.
  package static func appendStored(_ bytes: UnsafeRawBufferPointer, to output: inout [UInt8]) {
    output.append(contentsOf: prefix(contentSize: bytes.count))
    var start = 0
    while start < bytes.count {
      let count = min(bytes.count - start, maximumBlock)
      appendBlock(type: 0, size: count, isLast: start + count == bytes.count, to: &output)
      unsafe output.append(contentsOf: bytes[start..<start + count])
      start += count
    }
  }

  /// Appends a frame of n equal bytes.
  package static func appendRepeated(_ byte: UInt8, count n: Int, to output: inout [UInt8]) {
    output.append(contentsOf: prefix(contentSize: n))
    var rest = n
    while rest > 0 {
      let count = min(rest, maximumBlock)
      rest -= count
      appendBlock(type: 1, size: count, isLast: rest == 0, to: &output)
      output.append(byte)
    }
  }

  private static func appendBlock(type: Int, size: Int, isLast: Bool, to output: inout [UInt8]) {
    let header = size << 3 | type << 1 | (isLast ? 1 : 0)
    output.append(contentsOf: littleEndian(UInt64(header), count: 3))
  }
}

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
      // A huge target length makes the search skip ahead at once; experimental parameter 5 is
      // `literalCompressionMode`, 1 forces Huffman coding of the literals.
      set(ZSTD_c_targetLength, 128 << 10)
      set(ZSTD_c_experimentalParam5, 1)
    case .matches(let level): set(ZSTD_c_compressionLevel, level)
    }
  }

  deinit {
    unsafe ZSTD_freeCCtx(context)
  }

  /// Appends a frame of the bytes, at least one.
  func append(_ bytes: UnsafeRawBufferPointer, to output: inout [UInt8]) throws(FormatError) {
    // The window covers the contents, which makes the frame a single segment.
    set(ZSTD_c_windowLog, Int32(max(10, Int.bitWidth - (bytes.count - 1).leadingZeroBitCount)))
    let start = output.count
    let capacity = ZSTD_compressBound(bytes.count)
    output.append(contentsOf: repeatElement(0, count: capacity))
    let size = unsafe output.withUnsafeMutableBytes { output in
      unsafe ZSTD_compress2(
        context, output.baseAddress?.advanced(by: start), capacity, bytes.baseAddress, bytes.count)
    }
    guard ZSTD_isError(size) == 0 else { throw .frame("cannot compress: \(errorName(size))") }
    output.removeLast(capacity - size)
    guard output[start...].starts(with: Frame.prefix(contentSize: bytes.count)) else {
      throw .frame("this version of libzstd does not write the fixed form")
    }
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
    guard unsafe frame.starts(with: Frame.prefix(contentSize: output.count)) else {
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

/// The low bytes of a value, least significant first.
func littleEndian(_ value: UInt64, count: Int) -> [UInt8] {
  (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
}

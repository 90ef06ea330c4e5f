package import Storage

/// Header and footer (Spec/adp-v1.md, section 2).
package enum Envelope {
  package static let magic: [UInt8] = [0x89, 0x41, 0x44, 0x50, 0x0D, 0x0A, 0x1A, 0x0A]
  /// Major version, revision of its text, and what is reserved.
  package static let header: [UInt8] = magic + [1, 1, 0, 0, 0, 0, 0, 0]
  package static let footerByteCount = 64

  /// Where the manifest is.
  package struct Footer {
    package let offset: UInt64
    package let stored: UInt64
    package let decoded: UInt64

    package init(offset: UInt64, stored: UInt64, decoded: UInt64) {
      self.offset = offset
      self.stored = stored
      self.decoded = decoded
    }

    /// Offset, stored and decoded length, 24 bytes.
    var numbers: [UInt8] {
      [offset, stored, decoded].flatMap { littleEndian($0, count: 8) }
    }

    package func encoded(digest: Digest) -> [UInt8] { numbers + digest.bytes + magic.reversed() }
  }

  /// The manifest digest: header, manifest frame, the footer's numbers and the manifest's text.
  ///
  /// Decoders differ in what they make of a frame that no compressor writes: the frame says which bytes are there, the
  /// text what they mean.
  package static func digest(manifestFrame: [UInt8], footer: Footer, text: [UInt8]) -> Digest {
    var hasher = DigestHasher()
    hasher.update(header)
    hasher.update(manifestFrame)
    hasher.update(footer.numbers)
    hasher.update(text)
    return hasher.finish()
  }

  /// Checks header and footer, and reads the manifest's text; the rules of section 2 in its order.
  package static func open(
    _ bytes: any RandomAccessBytes
  ) throws(FormatError) -> (footer: Footer, digest: Digest, text: [UInt8]) {
    try checkHeader(bytes)
    guard bytes.count >= UInt64(header.count + footerByteCount) else {
      throw .truncated(length: bytes.count)
    }
    let end = bytes.count - UInt64(footerByteCount)
    let tail = try storing { () throws(StorageError) in
      try bytes.bytes(at: end, count: footerByteCount)
    }
    guard Array(tail[56...]) == magic.reversed() else { throw .truncated(length: bytes.count) }
    let footer = Footer(
      offset: integer(tail[0..<8]), stored: integer(tail[8..<16]), decoded: integer(tail[16..<24]))
    let (sum, overflow) = footer.offset.addingReportingOverflow(footer.stored)
    guard footer.offset >= UInt64(header.count), !overflow, sum == end else {
      throw .footer("the manifest does not end where the footer begins")
    }
    guard footer.decoded >= 2 else { throw .footer("a manifest of \(footer.decoded) bytes") }
    guard footer.decoded <= Limits.manifestBytes(fileLength: bytes.count) else {
      throw .limit("a manifest of \(footer.decoded) bytes in a file of \(bytes.count)")
    }
    guard footer.stored <= UInt64(Limits.frameBytes(contentSize: Int(footer.decoded))) else {
      throw .frame("a manifest frame of \(footer.stored) bytes for \(footer.decoded)")
    }
    let frame = try storing { () throws(StorageError) in
      try bytes.bytes(at: footer.offset, count: Int(footer.stored))
    }
    let text = try decode(frame, count: Int(footer.decoded))
    let digest = Envelope.digest(manifestFrame: frame, footer: footer, text: text)
    guard digest.bytes == Array(tail[24..<56]) else { throw .digest }
    return (footer, digest, text)
  }

  /// Returns true if a file may begin with these bytes ([ENV-1], [ENV-2]): a stream that does not is not worth a copy.
  package static func accepts(start: [UInt8]) -> Bool {
    (try? checkHeader(MemoryBytes(start))) != nil
  }

  private static func checkHeader(_ bytes: any RandomAccessBytes) throws(FormatError) {
    let count = Int(min(bytes.count, UInt64(header.count)))
    let start = try storing { () throws(StorageError) in try bytes.bytes(at: 0, count: count) }
    if header.starts(with: start), count < header.count { throw .truncated(length: bytes.count) }
    guard start.starts(with: magic) else { throw .notAdapter }
    guard start == header else {
      throw .version(
        major: start.count > 8 ? start[8] : 0, revision: start.count > 9 ? start[9] : 0)
    }
  }

  private static func decode(_ frame: [UInt8], count: Int) throws(FormatError) -> [UInt8] {
    var text = [UInt8](repeating: 0, count: count)
    let decompressor = FrameDecompressor()
    try unsafe text.withUnsafeMutableBytesThrowing { output throws(FormatError) in
      try unsafe frame.withUnsafeBytesThrowing { frame throws(FormatError) in
        try unsafe decompressor.decode(frame, into: output, place: "the manifest")
      }
    }
    return text
  }

  private static func integer(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}

internal import AdapterFormat
internal import Checkpoints
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// The proof of the contents of a finished file of a merge, written beside it until the folder has its name, so that a
/// later process of the job goes on with what it can prove, and not with what lies there.
///
/// It is the file's name, and one checksum for each block. A block that the file system has copied by itself has none: it
/// is the base's.
struct ShardProof: Equatable {
  /// CRC-32 of every block; nil for one that is the base's.
  private let checksums: [UInt32?]

  /// Bytes of a block's line: eight digits, or as many hyphens, and the end.
  private static let lineByteCount = 9
  private static let copiedLine = "--------\n"

  init(_ checksums: [UInt32?]) {
    self.checksums = checksums
  }

  /// The text of its file, beside one of this name.
  func text(of name: String) -> [UInt8] {
    Self.title(name)
      + checksums.flatMap { checksum in
        let line = checksum.map { value in
          let bytes = (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }
          return bytes.hexadecimal + "\n"
        }
        return Array((line ?? Self.copiedLine).utf8)
      }
  }

  private static func title(_ name: String) -> [UInt8] { Array((name + "\n").utf8) }

  /// Reads the text of a file of this name and so many blocks; nil for any other.
  init?(_ text: [UInt8], of name: String, blockCount: Int) {
    let title = Self.title(name)
    guard text.starts(with: title),
      text.count == title.count + blockCount * Self.lineByteCount
    else { return nil }
    var checksums: [UInt32?] = []
    for start in stride(from: title.count, to: text.count, by: Self.lineByteCount) {
      let line = Array(text[start..<start + Self.lineByteCount])
      guard line != Array(Self.copiedLine.utf8) else {
        checksums.append(nil)
        continue
      }
      let digits = String(decoding: line.dropLast(), as: UTF8.self)
      guard line.last == UInt8(ascii: "\n"), let bytes = [UInt8](hexadecimal: digits) else {
        return nil
      }
      checksums.append(bytes.reduce(0) { $0 << 8 | UInt32($1) })
    }
    self.checksums = checksums
  }
}

// MARK: - Files

extension ShardProof {
  /// Writes it beside a file of the folder, before that has its name.
  func write(of plan: ShardPlan, into folder: OutputFolder) throws {
    let file = try folder.file(OutputFolder.companion(of: plan.name))
    try file.write(text(of: plan.name))
    try file.commit()
  }

  /// Returns true if a file of the folder is there, with the bytes that it had when it got its name.
  ///
  /// - Parameters:
  ///   - plan: what it shall hold.
  ///   - folder: where it is.
  ///   - report: takes the bytes of a file that holds what it should.
  /// - Returns: whether it does.
  /// - Throws: `StorageError` where something cannot be read; a file that is not there is none of that.
  static func holds(
    of plan: ShardPlan, in folder: OutputFolder, report: (Int) -> Void
  ) throws -> Bool {
    let path = folder.temporary.appending(plan.name)
    let companion = folder.temporary.appending(OutputFolder.companion(of: plan.name))
    let blocks = BlockRanges(byteCount: plan.byteCount)
    guard let file = try File.ifThere(path), file.count == plan.byteCount,
      let text = try File.ifThere(companion)?.contents(
        limit: title(plan.name).count + blocks.count * lineByteCount),
      let proof = ShardProof(text, of: plan.name, blockCount: blocks.count)
    else { return false }
    do {
      try ConcurrentWork.perform(blocks.count) { (index, _) in
        let range = blocks[index]
        let bytes = try file.bytes(at: range.lowerBound, count: range.count)
        let wanted = try proof.checksums[index] ?? plan.storedChecksum(of: range)
        guard bytes.checksum == wanted else { throw Mismatch() }
      }
    } catch is Mismatch {
      return false
    }
    report(Int(plan.byteCount))
    return true
  }

  private struct Mismatch: Error {}
}

extension ShardPlan {
  /// CRC-32 of bytes that are the base's; nil where they are not.
  fileprivate func storedChecksum(of range: Range<UInt64>) throws(StorageError) -> UInt32? {
    let run = runs[firstRun(after: range.lowerBound)]
    guard run.range.upperBound >= range.upperBound, case .stored(let stored) = run.contents
    else { return nil }
    var bytes = [UInt8](repeating: 0, count: range.count)
    try unsafe bytes.withUnsafeMutableBytesThrowing { buffer throws(StorageError) in
      try unsafe stored.read(at: range.lowerBound - run.range.lowerBound, into: buffer)
    }
    return bytes.checksum
  }
}

extension [UInt8] {
  fileprivate var checksum: UInt32 {
    unsafe withUnsafeBytes { unsafe CRC32.checksum($0) }
  }
}

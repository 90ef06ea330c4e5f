import StrictJSON
import SystemPackage
import TestSupport

/// The texts and sequences of ids that Fixtures/makers/tokenizers.py generates, generated once more.
struct TokenizerTexts: Sendable {
  static let folder = Repository.fixtures.appending("tokenizers")
  static let shared = Result { try TokenizerTexts() }

  let count, block, sequenceCount: Int
  /// What the maker's texts hash to, by block.
  let digests: [String]
  private let ranges: [(low: UInt64, high: UInt64)]
  private let spaces, fragments: [String]

  struct Malformed: Error {}

  private init() throws {
    let fields = try JSONFields(try Self.folder.appending("texts.json").contents)
    count = try fields.count("count")
    block = try fields.count("block")
    sequenceCount = try fields.count("sequences")
    digests = try fields.strings("digests")
    spaces = try fields.strings("spaces")
    fragments = try fields.strings("fragments")
    guard case .array(let pairs) = fields["ranges"] else { throw Malformed() }
    ranges = try pairs.map { pair in
      guard case .array(let ends) = pair, ends.count == 2, case .integer(let low) = ends[0],
        case .integer(let high) = ends[1]
      else { throw Malformed() }
      return (low, high)
    }
  }

  /// The blocks of so many things.
  func blocks(of total: Int) -> [Range<Int>] {
    stride(from: 0, to: total, by: block).map { $0..<min($0 + block, total) }
  }

  /// A text.
  func text(_ index: Int) -> String {
    guard index > 0 else { return "" }
    var generator = SeededGenerator(seed: UInt64(index))
    if index % 400 == 7 {
      let part = part(&generator)
      return String(repeating: part, count: 1 + 3000 / (1 + part.utf8.count))
    }
    let count = 1 + generator.below(12)
    return (0..<count).map { _ in part(&generator) }.joined()
  }

  /// A sequence of ids, for a vocabulary of a size.
  func sequence(_ index: Int, size: Int) -> [Int32] {
    var generator = SeededGenerator(seed: UInt64(1_000_000 + index))
    let count = generator.below(24)
    return (0..<count).map { _ in Int32(generator.below(size + 3)) }
  }

  private func part(_ generator: inout SeededGenerator) -> String {
    switch generator.below(12) {
    case 0..<4: return fragments[generator.below(fragments.count)]
    case 4..<6: return spaces[generator.below(spaces.count)]
    case 6: return generator.character(0, 0x10FFFF)
    case 7:
      let range = ranges[generator.below(ranges.count)]
      let character = generator.character(range.low, range.high)
      return String(repeating: character, count: 1 + generator.below(20))
    case 8:
      let count = 1 + generator.below(12)
      let bytes = (0..<count).map { _ in UInt8(generator.below(256)) }
      return String(decoding: bytes, as: UTF8.self)
    case 9:
      let count = 1 + generator.below(12)
      return (0..<count).map { _ in generator.character(0x20, 0x7E) }.joined()
    default:
      let range = ranges[generator.below(ranges.count)]
      let count = 1 + generator.below(12)
      return (0..<count).map { _ in generator.character(range.low, range.high) }.joined()
    }
  }
}

extension SeededGenerator {
  mutating func below(_ count: Int) -> Int { Int(next() % UInt64(count)) }

  mutating func character(_ low: UInt64, _ high: UInt64) -> String {
    let value = low + next() % (high - low + 1)
    return String(Unicode.Scalar(UInt32(value)) ?? "\u{FFFD}")
  }
}

extension JSONFields {
  /// A number that counts something.
  func count(_ key: String) throws -> Int {
    guard case .integer(let value) = self[key] else { throw TokenizerTexts.Malformed() }
    return Int(value)
  }
}

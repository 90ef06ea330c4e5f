import AdapterModels
import SystemPackage
import TestSupport
import Testing

/// Damaged files are refused or read, and never stop the program.
@Suite struct TokenizerDamageTests {
  @Test(arguments: TokenizerTests.names) func damagedFilesDoNoHarm(_ name: String) throws {
    let whole = try TokenizerTexts.folder.appending("\(name).json").contents
    var (refused, read) = (0, 0)
    // A large vocabulary takes longer to read.
    for index in 0..<min(1500, max(60, 100_000_000 / whole.count)) {
      var generator = SeededGenerator(seed: UInt64(index))
      let bytes = Self.damage(whole, &generator)
      do throws(TokenizerError) {
        let tokenizer = try Tokenizer(bytes, calledAs: "damaged")
        // It holds together: what it encodes it also decodes.
        let ids = tokenizer.encode("Hello <mask>, it's 123\u{301} wörld\n<|endoftext|>")
        #expect(ids.allSatisfy { $0 >= 0 && $0 < tokenizer.vocabularySize })
        _ = tokenizer.decode(ids, skippingSpecialTokens: true)
        read += 1
      } catch {
        let text = error.description
        #expect(!text.isEmpty && !text.contains("\n"), "\(text)")
        refused += 1
      }
    }
    #expect(refused > 20 && read > 0)
  }

  /// Some changes to a document, most of them at places that decide something.
  private static func damage(_ whole: [UInt8], _ generator: inout SeededGenerator) -> [UInt8] {
    var bytes = whole
    for _ in 0..<1 + generator.below(3) {
      // The configuration is in the first kilobytes.
      let limit = generator.below(2) == 0 ? min(2500, bytes.count) : bytes.count
      let place = generator.below(max(limit, 1))
      guard place < bytes.count else { continue }
      switch generator.below(6) {
      case 0: bytes[place] ^= 1 << UInt8(generator.below(8))
      case 1: bytes[place] = UInt8(generator.below(256))
      case 2: bytes.remove(at: place)
      case 3: bytes.insert(bytes[generator.below(bytes.count)], at: place)
      case 4:
        let words = ["null", "-1", "1e9", "[]", "{}", "\"\"", "true", "9007199254740991", "0"]
        bytes.insert(contentsOf: Array(words[generator.below(words.count)].utf8), at: place)
      default:
        let other = generator.below(bytes.count)
        let length = min(1 + generator.below(40), bytes.count - max(place, other))
        for offset in 0..<length {
          bytes[place + offset] = whole[min(other + offset, whole.count - 1)]
        }
      }
    }
    if generator.below(50) == 0 { bytes.removeLast(generator.below(bytes.count)) }
    return bytes
  }
}

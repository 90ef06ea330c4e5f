import AdapterModels
import Storage
import StrictJSON
import TestSupport
import Testing

/// What the `tokenizers` package does with all texts and sequences, as digests and samples.
struct TokenizerExpectations {
  private let fields: JSONFields
  private let texts: TokenizerTexts

  init(_ bytes: [UInt8]) throws {
    fields = try JSONFields(bytes)
    texts = try TokenizerTexts.shared.get()
  }

  /// Compares a tokenizer with all of them.
  func check(_ tokenizer: Tokenizer) throws {
    #expect(tokenizer.vocabularySize == (try fields.count("size")))
    try checkSamples(tokenizer)
    try checkTexts(tokenizer)
    try checkSequences(tokenizer)
  }

  /// The texts with all their ids in the file, for failures that can be read.
  private func checkSamples(_ tokenizer: Tokenizer) throws {
    guard case .array(let samples) = fields["samples"] else { throw TokenizerTexts.Malformed() }
    #expect(samples.count > 30)
    for sample in samples {
      guard case .array(let parts) = sample, case .integer(let index) = parts.first,
        case .array(let ids) = parts.last
      else { throw TokenizerTexts.Malformed() }
      let text = texts.text(Int(index))
      #expect(
        tokenizer.encode(text) == ids.compactMap { $0.double.map { Int32($0) } },
        "text \(index): \(text.debugDescription)")
    }
  }

  private func checkTexts(_ tokenizer: Tokenizer) throws {
    let (digests, count) = (try fields.strings("ids"), texts.count)
    var (roundTrip, bare) = (DigestHasher(), DigestHasher())
    for (place, block) in texts.blocks(of: count).enumerated() {
      var hasher = DigestHasher()
      for index in block {
        let text = texts.text(index)
        let ids = tokenizer.encode(text)
        hasher.update(ids)
        roundTrip.update(tokenizer.decode(ids))
        if index % 40 == 0 { bare.update(tokenizer.encode(text, addingSpecialTokens: false)) }
      }
      #expect(hasher.short == digests[place], "texts \(block)")
    }
    #expect(digests.count * texts.block == count)
    #expect(roundTrip.short == (try fields.string("roundTrip")))
    #expect(bare.short == (try fields.string("bare")))
  }

  private func checkSequences(_ tokenizer: Tokenizer) throws {
    let digests = try fields.strings("decoded")
    var skipped = DigestHasher()
    for (place, block) in texts.blocks(of: texts.sequenceCount).enumerated() {
      var hasher = DigestHasher()
      for index in block {
        let ids = texts.sequence(index, size: tokenizer.vocabularySize)
        hasher.update(tokenizer.decode(ids))
        skipped.update(tokenizer.decode(ids, skippingSpecialTokens: true))
        for skips in [false, true] {
          var stream = TextStream(tokenizer, skippingSpecialTokens: skips)
          let parts = ids.map { stream.append($0) } + [stream.finish()]
          let whole = tokenizer.decode(ids, skippingSpecialTokens: skips)
          #expect(parts.joined().utf8.elementsEqual(whole.utf8), "sequence \(index)")
        }
      }
      #expect(hasher.short == digests[place], "sequences \(block)")
    }
    #expect(skipped.short == (try fields.string("skipped")))
  }
}

extension DigestHasher {
  fileprivate mutating func update(number: UInt32) {
    update((0..<4).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) })
  }

  /// Feeds ids, their number first.
  mutating func update(_ ids: [Int32]) {
    update(number: UInt32(ids.count))
    for id in ids { update(number: UInt32(bitPattern: id)) }
  }

  /// Feeds a text, its number of bytes first.
  mutating func update(_ text: String) {
    update(number: UInt32(text.utf8.count))
    update(Array(text.utf8))
  }

  /// The digest as the maker writes it.
  var short: String {
    String(finish().description.prefix(24))
  }
}

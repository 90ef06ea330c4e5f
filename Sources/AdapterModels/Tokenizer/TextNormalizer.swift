internal import StrictJSON

/// The changes to a text before it is split: composition (NFC), a text put before it, or one text put for another, in
/// the order of the file. SentencePiece's vocabularies have their spaces as "▁" so.
struct TextNormalizer: Sendable {
  private enum Step: Sendable {
    case compose
    case prepend([UInt8])
    case replace([UInt8], [UInt8])
  }

  private let steps: [Step]

  /// So long may a text be that is put in, or a file could make much of little.
  private static let longestText = 16

  /// Reads a normalizer.
  ///
  /// - Throws: `TokenizerFault` for what is not known.
  init(_ value: JSONValue?) throws(TokenizerFault) {
    var steps: [Step] = []
    var seen: Set<String> = []
    for fields in try FieldReader.flatten(value, "normalizer", "normalizers") {
      let type = try fields.type()
      guard type == "NFC" || seen.insert(type).inserted else {
        throw .unsupported("a second normalizer \(type.quotedForError)")
      }
      switch type {
      case "NFC": steps.append(.compose)
      case "Prepend": steps.append(.prepend(try Self.short(fields.string("prepend"))))
      case "Replace":
        guard let old = try Components.plainPattern(of: fields), !old.isEmpty else {
          throw .unsupported("the normalizer Replace with a regular expression")
        }
        steps.append(
          .replace(try Self.short(old), try Self.short(fields.string("content"))))
      default: throw .unsupported("the normalizer \(type.quotedForError)")
      }
    }
    self.steps = steps
  }

  private static func short(_ text: String) throws(TokenizerFault) -> [UInt8] {
    guard text.utf8.count <= longestText else {
      throw .unsupported("a normalizer's text of more than \(longestText) bytes")
    }
    return Array(text.utf8)
  }

  /// True if texts stay as they are.
  var isEmpty: Bool { steps.isEmpty }

  /// True if it composes texts.
  var composes: Bool {
    steps.contains { step in if case .compose = step { true } else { false } }
  }

  /// True if no normalized text has a space.
  var removesSpaces: Bool {
    guard case .replace(let old, let new)? = steps.last else { return false }
    return old == [0x20] && !new.contains(0x20)
  }

  /// A text that is not empty, normalized, behind what there is.
  func append(_ text: ArraySlice<UInt8>, to result: inout [UInt8]) {
    var text = text
    for step in steps {
      switch step {
      case .compose:
        var composed: [UInt8] = []
        Composition.append(text, to: &composed)
        text = composed[...]
      case .prepend(let prefix): text = (prefix + text)[...]
      case .replace(let old, let new): text = Self.replacing(old, by: new, in: text)[...]
      }
    }
    result.append(contentsOf: text)
  }

  private static func replacing(
    _ old: [UInt8], by new: [UInt8], in text: ArraySlice<UInt8>
  ) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(text.count)
    var index = text.startIndex
    while index < text.endIndex {
      if text[index] == old[0], text[index...].starts(with: old) {
        result.append(contentsOf: new)
        index += old.count
      } else {
        result.append(text[index])
        index += 1
      }
    }
    return result
  }
}

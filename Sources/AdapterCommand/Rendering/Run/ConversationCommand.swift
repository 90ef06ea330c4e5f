/// A line of a conversation that is not for the model.
package enum ConversationCommand: Equatable {
  /// With another weight, of one of several adapters where a place is given, from 1; or as they are.
  case adapter(weight: Double?, place: Int?)
  case base
  case compare
  case reset
  case stats
  case help
  case quit
  /// A command that there is not, or with what it does not take.
  case unknown(String)

  /// Reads a line; nil where it is a question. A path such as `/etc/passwd` is none of the commands.
  package init?(_ line: String) {
    let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
    guard let name = words.first, line.hasPrefix("/"),
      name.dropFirst().allSatisfy({ $0.isASCII && $0.isLetter })
    else { return nil }
    switch (name, words.count) {
    case ("/base", 1): self = .base
    case ("/compare", 1): self = .compare
    case ("/reset", 1): self = .reset
    case ("/stats", 1): self = .stats
    case ("/help", 1): self = .help
    case ("/quit", 1), ("/exit", 1), ("/bye", 1): self = .quit
    case ("/adapter", 1): self = .adapter(weight: nil, place: nil)
    case ("/adapter", 2), ("/adapter", 3):
      let place = words.count == 3 ? Int(words[1]) : nil
      guard let weight = WeightedReference.weight(words[words.count - 1]),
        words.count == 2 || place != nil
      else {
        self = .unknown(line)
        return
      }
      self = .adapter(weight: weight, place: place)
    default: self = .unknown(line)
    }
  }

  package static let helpText = """
    /adapter 0.5     gives the adapter this weight: 0 is the base, 1 the adapter
    /adapter 2 0.5   gives the second of several adapters this weight
    /adapter         shows the weights, and uses the adapters again after /base
    /base            answers without adapters
    /compare         answers the last question again, the base beside the adapters
    /reset           forgets the conversation
    /stats           says how long the last answer took
    /quit            leaves, as Ctrl-D does; Ctrl-C stops an answer

    """
}

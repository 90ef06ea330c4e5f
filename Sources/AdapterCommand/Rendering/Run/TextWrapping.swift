extension String {
  /// Its lines, none wider than a terminal's columns say, broken between words where it can be.
  func wrapped(to width: Int) -> [String] {
    split(separator: "\n", omittingEmptySubsequences: false).flatMap { line -> [String] in
      var lines: [String] = []
      var current = ""
      for word in line.split(separator: " ", omittingEmptySubsequences: false) {
        var word = String(word)
        let joined = current.isEmpty ? word : current + " " + word
        if joined.columnCount <= width {
          current = joined
          continue
        }
        if !current.isEmpty { lines.append(current) }
        while word.columnCount > width {
          let part = String(word.fitting(width))
          guard !part.isEmpty else { break }
          lines.append(part)
          word.removeFirst(part.count)
        }
        current = word
      }
      return lines + [current]
    }
  }
}

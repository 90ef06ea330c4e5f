internal import AdapterFormat
internal import StrictJSON

extension Manifest.MetadataEntry {
  private static let indent = 14
  private static let maximumLineCount = 12

  /// The entry for people: its key, and the text beside it, line by line, long lines folded and long
  /// texts cut.
  func lines(width: Int) -> [String] {
    let name = "  " + key.text.escaped.cut(to: width - 2)
    let room = width - Self.indent
    var body = value.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
      .flatMap { String($0).escaped.folded(to: room) }
    while body.last?.isEmpty == true { body.removeLast() }
    if body.count > Self.maximumLineCount {
      let rest = body.count - Self.maximumLineCount + 1
      body = body.prefix(Self.maximumLineCount - 1) + ["… and \(rest.of("more line"))"]
    }
    let margin = String(repeating: " ", count: Self.indent)
    let lines = body.map { $0.isEmpty ? "" : margin + $0 }
    // A short key stands on the text's first line.
    guard name.count < Self.indent else { return [name] + lines }
    return [name.padded(to: Self.indent) + (body.first ?? "")] + lines.dropFirst()
  }
}

extension String {
  /// Lines of a width, broken at spaces where there are any.
  func folded(to width: Int) -> [String] {
    var lines: [String] = []
    var (line, used) = ("", 0)
    for word in split(separator: " ") {
      var rest = word
      if !line.isEmpty {
        if rest.fits(width - used - 1) {
          line += " " + rest
          used = line.columnCount
          continue
        }
        lines.append(line)
      }
      while !rest.fits(width) {
        let piece = rest.fitting(max(width, 2))
        lines.append(String(piece))
        rest = rest[piece.endIndex...]
      }
      (line, used) = (String(rest), rest.columnCount)
    }
    return lines + [line]
  }
}

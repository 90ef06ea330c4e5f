internal import Storage
internal import SystemPackage

/// A prompt that is read from a file or from standard input.
enum PromptText {
  private static let limit = 1 << 24

  /// The text of a prompt, or of what else a file holds; nil where it is tokens.
  static func read(
    _ source: PromptOptions.Source, holding what: String = "prompt"
  ) throws(Failure) -> String? {
    switch source {
    case .tokens, .conversation: return nil
    case .text(let text): return text
    case .standardInput:
      return try text(of: .standardInput, calledAs: "standard input", holding: what)
    case .file(let path):
      let file = try rethrowing(as: { Failure($0) }) { () throws(StorageError) in
        try withErrno("read", FilePath(path)) { () throws in
          try FileDescriptor.open(FilePath(path), .readOnly, options: [.closeOnExec])
        }
      }
      defer { try? file.close() }
      return try text(of: file, calledAs: path, holding: what)
    }
  }

  /// All of it but the end of its last line, which editors and `echo` put there.
  private static func text(
    of file: FileDescriptor, calledAs name: String, holding what: String
  ) throws(Failure) -> String {
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = try rethrowing(as: { Failure($0) }) { () throws(StorageError) in
        try withErrno("read", FilePath(name)) { () throws in
          try unsafe piece.withUnsafeMutableBytes { try unsafe file.read(into: $0) }
        }
      }
      guard count > 0 else { break }
      bytes += piece[..<count]
      guard bytes.count <= limit else {
        throw Failure("\(name): more than \(limit) bytes are too many for a \(what)")
      }
    }
    if bytes.last == UInt8(ascii: "\n") {
      bytes.removeLast()
      if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
    }
    guard !bytes.isEmpty else {
      throw Failure(
        "\(name) is empty: there is no \(what) in it",
        hint:
          "give one: --prompt TEXT, --prompt-file FILE or --token-ids 1,2,3; on a terminal, run "
          + "without any is a conversation")
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw Failure("\(name) is not UTF-8 text", hint: "convert it: iconv -t UTF-8")
    }
    return text
  }
}

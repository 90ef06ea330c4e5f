internal import Storage
internal import SystemPackage

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

// Results go to standard output. Everything else goes to standard error as "adapter: error: …",
// "adapter: note: …" or "hint: …", in lower case and without a full stop. Names and texts from files
// are escaped.

/// The two output streams.
enum Terminal {
  /// Writes a result. Who reads it may stop reading at any time: that is no error.
  static func write(_ text: String) {
    if !isTaken(text) { exit(0) }
  }

  /// Writes what is known of a file before the file has its name: a reader that has stopped does not keep it from that.
  static func announce(_ text: String) {
    _ = isTaken(text)
  }

  /// Writes to standard output, and ends the command where that fails.
  ///
  /// - Returns: whether somebody reads it.
  private static func isTaken(_ text: String) -> Bool {
    do {
      _ = try FileDescriptor.standardOutput.writeAll(text.utf8)
      return true
    } catch {
      if error as? Errno == .brokenPipe { return false }
      report("error", "cannot write to standard output")
      exit(2)
    }
  }

  /// Writes one line to standard error.
  static func report(_ kind: String, _ message: String) {
    let prefix = kind == "hint" ? "hint" : "adapter: \(kind)"
    writeError("\(prefix): \(message.escaped)\n")
  }

  /// Writes to standard error as it stands.
  static func writeError(_ text: String) {
    _ = try? FileDescriptor.standardError.writeAll(text.utf8)
  }

  /// True if standard error is a terminal.
  static var showsProgress: Bool { Platform.isTerminal(FileDescriptor.standardError.rawValue) }

  /// True if results go to a terminal that shows colours, and its user has not asked for none (https://no-color.org);
  /// or if the user wants them everywhere (CLICOLOR_FORCE).
  static var showsColours: Bool {
    func value(_ name: String) -> String? { unsafe getenv(name).map { unsafe String(cString: $0) } }
    guard (value("NO_COLOR") ?? "").isEmpty else { return false }
    if let force = value("CLICOLOR_FORCE"), !force.isEmpty, force != "0" { return true }
    return Platform.isTerminal(FileDescriptor.standardOutput.rawValue) && value("TERM") != "dumb"
  }

  /// Rows of the terminal that shows results; those of a small one where there is none.
  static var rowCount: Int {
    let descriptor = FileDescriptor.standardOutput.rawValue
    return Platform.isTerminal(descriptor) ? Platform.rowCount(of: descriptor) ?? 24 : 24
  }

  static func exit(_ status: Int32) -> Never {
    TemporaryPaths.removeAll {
      #if canImport(Glibc)
        Glibc.exit(status)
      #elseif canImport(Musl)
        Musl.exit(status)
      #else
        Darwin.exit(status)
      #endif
    }
  }
}

extension String {
  /// The text with everything that could move the cursor, change colours or reorder what is shown
  /// written as `\u{…}`.
  var escaped: String {
    if utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) { return self }
    var result = ""
    for scalar in unicodeScalars {
      switch scalar.properties.generalCategory {
      case .control, .format, .surrogate, .lineSeparator, .paragraphSeparator, .privateUse,
        .unassigned:
        result += "\\u{\(String(scalar.value, radix: 16))}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}

import Foundation
import SystemPackage

extension TemporaryFolder {
  /// Replaces the first occurrence of a text, which must be there.
  package func edit(_ name: String, _ old: String, _ new: String) throws {
    let text = String(decoding: try appending(name).contents, as: UTF8.self)
    guard let range = text.range(of: old) else { throw EditError(text: old) }
    try write(Array(text.replacingCharacters(in: range, with: new).utf8), to: name)
  }

  /// Changes a text in the header of a safetensors file, wherever it occurs first.
  package func rename(in name: String, _ old: String, to new: String) throws {
    let bytes = try appending(name).contents
    let length = bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    let text = String(decoding: bytes[8..<8 + length], as: UTF8.self)
    guard let range = text.range(of: old) else { throw EditError(text: old) }
    let header = Array(text.replacingCharacters(in: range, with: new).utf8)
    let prefix = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
    try write(prefix + header + bytes[(8 + length)...], to: name)
  }

  /// Writes over bytes of a safetensors file's data, counted from the end of the file.
  package func overwriteEnd(of name: String, with tail: [UInt8]) throws {
    let bytes = try appending(name).contents
    try write(bytes.dropLast(tail.count) + tail, to: name)
  }
}

private struct EditError: Error {
  let text: String
}

import Foundation
package import SystemPackage

/// Where things are in the checkout.
package enum Repository {
  /// The top level.
  package static let root = FilePath(#filePath)
    .removingLastComponent().removingLastComponent().removingLastComponent()
  /// The fixtures.
  package static let fixtures = root.appending("Fixtures")

  /// The files below a folder whose names end with `suffix`, sorted.
  package static func files(below folder: FilePath, suffix: String) -> [FilePath] {
    let names = FileManager.default.enumerator(atPath: folder.string)?.compactMap { $0 as? String }
    return (names ?? []).filter { $0.hasSuffix(suffix) }.sorted().map {
      folder.pushing(FilePath($0))
    }
  }

  /// The adapters that PEFT wrote: names of the folders below Fixtures/peft.
  package static let peftCases: [String] = {
    let names = try? FileManager.default.contentsOfDirectory(atPath: peft("").string)
    return (names ?? []).sorted()
  }()

  /// A folder below Fixtures/peft.
  package static func peft(_ name: String) -> FilePath {
    fixtures.appending("peft").appending(name)
  }

  /// A folder below Fixtures/bases.
  package static func base(_ name: String) -> FilePath {
    fixtures.appending("bases").appending(name)
  }
}

/// A folder that is removed with its owner.
package final class TemporaryFolder: Sendable {
  /// Where it is.
  package let path: FilePath

  package init() throws {
    path = FilePath(FileManager.default.temporaryDirectory.path)
      .appending("adapter-tests-\(UUID().uuidString)")
    try FileManager.default.createDirectory(
      atPath: path.string, withIntermediateDirectories: true)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: path.string)
  }

  /// A path in it.
  package func appending(_ name: String) -> FilePath { path.appending(name) }

  /// Writes a file in it.
  @discardableResult
  package func write(_ bytes: [UInt8], to name: String) throws -> FilePath {
    let target = appending(name)
    try Data(bytes).write(to: URL(fileURLWithPath: target.string))
    return target
  }

  /// Copies a file or a folder into it.
  @discardableResult
  package func copy(_ source: FilePath, to name: String) throws -> FilePath {
    let target = appending(name)
    try FileManager.default.copyItem(atPath: source.string, toPath: target.string)
    return target
  }

  /// The names in it, sorted.
  package var names: [String] {
    path.names
  }
}

extension FilePath {
  /// The file's bytes.
  package var contents: [UInt8] {
    get throws { Array(try Data(contentsOf: URL(fileURLWithPath: string))) }
  }

  /// Writes a file, over what is there.
  package func write(_ bytes: some Sequence<UInt8>) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: string))
  }

  /// The names in the folder, sorted.
  package var names: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: string)) ?? []).sorted()
  }

  /// The files in the folder, by their names.
  package var files: [String: [UInt8]] {
    get throws {
      try Dictionary(uniqueKeysWithValues: names.map { ($0, try appending($0).contents) })
    }
  }

  /// True if something is there.
  package var exists: Bool { FileManager.default.fileExists(atPath: string) }
}

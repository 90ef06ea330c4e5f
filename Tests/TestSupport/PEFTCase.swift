package import SystemPackage
import Testing

/// A case below Fixtures/peft, as its `case.json` describes it.
package struct PEFTCase: Sendable, CustomTestStringConvertible {
  /// The folder's name.
  package let name: String
  /// The base it was made for: a folder below Fixtures/bases.
  package let base: String
  /// The method.
  package let method: String
  /// True if it changes weights; else it acts at run time only.
  package let isMergeable: Bool
  /// The stored tensors that a merge changes, those it makes included.
  package let changed: Set<String>
  /// Those of them that the base does not have.
  package let created: Set<String>
  /// The case whose results are this one's too.
  private let sameAs: String?

  /// All cases.
  package static let all: [PEFTCase] = Repository.peftCases.map { name in
    do { return try PEFTCase(name) } catch { preconditionFailure("\(name): \(error)") }
  }

  /// The case of this name.
  package static func named(_ name: String) throws -> PEFTCase {
    try #require(all.first { $0.name == name })
  }

  /// The cases that change weights.
  package static let mergeable = all.filter(\.isMergeable)

  private init(_ name: String) throws {
    let bytes = try Repository.peft(name).appending("case.json").contents
    let fields = try JSONFields(bytes)
    self.name = name
    base = try fields.string("base")
    method = try fields.string("method")
    isMergeable = try fields.string("effect") == "merge"
    created = Set(try fields.strings("created"))
    changed = Set(try fields.strings("changed")).union(created)
    sameAs = try? fields.string("same_as")
  }

  /// True if only the shapes of its base say what its files mean.
  package var needsBase: Bool { method == "fourierft" }

  /// Its folder.
  package var path: FilePath { Repository.peft(name) }
  /// Its base's folder.
  package var basePath: FilePath { Repository.base(base) }
  /// A file of its results.
  package func result(_ file: String) -> FilePath {
    Repository.peft(sameAs ?? name).appending(file)
  }

  package var testDescription: String { name }
}

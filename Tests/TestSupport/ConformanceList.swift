package import StrictJSON
package import SystemPackage
import Testing

/// One file of Fixtures/conformance.json, and what a reader must make of it (Spec/conformance.md).
package struct ConformanceEntry: Sendable, CustomTestStringConvertible {
  /// The path below Fixtures.
  package let file: String
  package let expectation: Expectation
  /// True if a reader that knows the core operations alone accepts it.
  package let isAcceptedAtLevel1: Bool
  package let rules: [String]
  /// The adapters that a reader finds in it; empty if it is refused.
  package let adapters: [Adapter]
  /// The manifest digest; nil where it is refused.
  package let manifestDigest: String?

  /// The behaviour of a reader of level 2.
  package enum Expectation: Sendable, Equatable {
    case accepts
    case refuses(kind: String)
    /// It accepts one file of the group at most, and then with this target; else it refuses.
    case acceptsOne(of: String, target: String, kinds: [String])
  }

  package struct Adapter: Sendable {
    package let name: String
    package let weightsDigest: String
    package let tensors: [Tensor]
  }

  package struct Tensor: Sendable {
    package let name: Name
    package let dtype: String
    package let shape: [Double]
    package let digest: String
  }

  /// All of them.
  package static let all: [ConformanceEntry] = {
    do {
      let bytes = try Repository.fixtures.appending("conformance.json").contents
      return try JSONValue(document: bytes, maximumDepth: 8).elements.map(ConformanceEntry.init)
    } catch {
      preconditionFailure("conformance.json: \(error)")
    }
  }()

  private init(_ value: JSONValue) throws {
    let fields = try JSONFields(value)
    file = try fields.string("file")
    rules = try fields.strings("rules")
    switch try fields.string("expect") {
    case "accept": expectation = .accepts
    case "refuse": expectation = .refuses(kind: try fields.string("kind"))
    default:
      expectation = .acceptsOne(
        of: try fields.string("group"), target: try fields.string("target"),
        kinds: try fields.strings("kinds"))
    }
    isAcceptedAtLevel1 = expectation == .accepts || (try? fields.string("level1")) == "accept"
    manifestDigest = try? fields.string("manifest")
    adapters =
      fields["adapters"] == nil ? [] : try fields.array("adapters").map(Adapter.init)
  }

  /// The file.
  package var path: FilePath { Repository.fixtures.pushing(FilePath(file)) }

  package var testDescription: String { file }
}

extension ConformanceEntry.Adapter {
  fileprivate init(_ value: JSONValue) throws {
    let fields = try JSONFields(value)
    name = try fields.string("name")
    weightsDigest = try fields.string("weights")
    tensors = try fields.array("tensors").map(ConformanceEntry.Tensor.init)
  }
}

extension ConformanceEntry.Tensor {
  fileprivate init(_ value: JSONValue) throws {
    let fields = try JSONFields(value)
    name = Name(try fields.string("name"))
    dtype = try fields.string("dtype")
    shape = fields.numbers("shape")
    digest = try fields.string("sha256")
  }
}

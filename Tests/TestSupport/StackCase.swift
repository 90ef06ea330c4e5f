internal import StrictJSON
package import SystemPackage
import Testing

/// A stack of adapters with weights below Fixtures/stacks, and what it makes of its base in float64.
package struct StackCase: Sendable, CustomTestStringConvertible {
  /// The name of its result.
  package let name: String
  /// The base: a folder below Fixtures/bases.
  package let base: String
  /// PEFT folders below Fixtures, and their weights.
  package let adapters: [(path: String, weight: Double)]

  private struct Malformed: Error {}

  /// All of them.
  package static let all: [StackCase] = {
    do {
      let fields = try JSONFields(folder.appending("stacks.json").contents)
      return try fields.keys.map { try StackCase($0, fields[$0]) }
    } catch { preconditionFailure("stacks.json: \(error)") }
  }()

  private static let folder = Repository.fixtures.appending("stacks")

  private init(_ name: String, _ value: JSONValue?) throws {
    guard case .object(let members) = value,
      case .string(let base) = members.first(where: { $0.key == "base" })?.value,
      case .array(let list) = members.first(where: { $0.key == "adapters" })?.value
    else { throw Malformed() }
    self.name = name
    self.base = base
    adapters = try list.map { entry in
      guard case .object(let members) = entry,
        case .string(let path) = members.first(where: { $0.key == "path" })?.value
      else { throw Malformed() }
      return switch members.first(where: { $0.key == "weight" })?.value {
      case .integer(let weight): (path, Double(weight))
      case .number(let weight): (path, weight)
      default: throw Malformed()
      }
    }
  }

  /// Its base's folder.
  package var basePath: FilePath { Repository.base(base) }
  /// The tensors that it changes, in float64.
  package var reference: FilePath { Self.folder.appending("\(name).safetensors") }

  package var testDescription: String { name }
}

import AdapterModels
import AdapterInterop
import AdapterRuntime
import Operations
import Checkpoints
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// What PEFT's unmerged model says for three texts: a case below Fixtures/runtime.
struct RunningCase: Sendable, CustomTestStringConvertible {
  let name: String
  let base: String
  let family: String
  let method: String
  /// The adapters and their weights, in order.
  let adapters: [(name: String, weight: Double)]

  var testDescription: String { name }

  static let folder = Repository.root.appending("Fixtures/runtime")

  static let all: [RunningCase] = Repository.files(below: folder, suffix: "case.json").map { path in
    do { return try RunningCase(path) } catch { preconditionFailure("\(path): \(error)") }
  }.sorted { $0.name < $1.name }

  private init(_ path: FilePath) throws {
    let fields = try JSONFields(path.contents)
    name = path.removingLastComponent().lastComponent?.string ?? ""
    base = try fields.string("base")
    family = try fields.string("family")
    method = try fields.string("method")
    guard case .array(let entries) = fields["adapters"] else {
      adapters = []
      return
    }
    adapters = entries.compactMap { entry in
      guard case .object(let members) = entry else { return nil }
      var (name, weight) = ("", 1.0)
      for member in members {
        switch member.value {
        case .string(let text): name = text
        case .number(let number): weight = number
        case .integer(let number): weight = Double(number)
        default: break
        }
      }
      return (name, weight)
    }
  }

  /// The model with what has to be in its weights, and the adapters beside it.
  func load() throws -> (model: LanguageModel, stack: AdapterStack) {
    let checkpoint = try Checkpoint(Repository.base(base))
    return try Loaded.load(
      checkpoint, adapters.map { (try Self.adapter($0.name, on: checkpoint), $0.weight) })
  }

  static func adapter(_ name: String, on checkpoint: Checkpoint) throws -> Adapter {
    let path = folder.appending(name)
    let biases = path.appending("biases.safetensors")
    if let tuned = try? Checkpoint(biases) {
      return try BiasExtraction(from: checkpoint, to: tuned).adapter
    }
    return try PEFTImport(PEFTFolder(path)).adapter
  }

  /// The reference: texts, their logits at every place, and what is generated after them.
  func reference() throws -> [Reference] {
    let file = try Checkpoint(Self.folder.appending(name).appending("logits.safetensors"))
    return try (0..<3).map { index in
      Reference(
        ids: try file.integers("ids\(index)"), logits: try file.floats("logits\(index)"),
        greedy: try file.integers("greedy\(index)"))
    }
  }

  struct Reference {
    let ids: [Int32]
    let logits: [Float]
    let greedy: [Int32]
  }
}

enum Loaded {
  /// As PEFT, which gives a head of its own to a model whose head is changed.
  static let policy = AdaptedCheckpoint.Policy(choices: BindingChoices(ties: .untie))

  /// As a program would: what acts beside the weights, and what has to be part of them.
  static func load(
    _ checkpoint: Checkpoint, _ adapters: [(adapter: Adapter, weight: Double)]
  ) throws -> (model: LanguageModel, stack: AdapterStack) {
    let stack = adapters.map { WeightedAdapter($0.adapter, weight: $0.weight) }
    return try RunPlan(stack, on: checkpoint, policy: policy).load()
  }
}

/// max |a − b|, and infinite for different counts.
func distance(_ left: [Float], _ right: [Float]) -> Float {
  guard left.count == right.count else { return .infinity }
  return zip(left, right).reduce(0) { max($0, abs($1.0 - $1.1)) }
}

internal import AdapterFormat
internal import Operations
public import Checkpoints
public import Storage
public import StrictJSON

/// The record of what a view applies to its base: the adapters, their weights, and the tensors that they change.
public struct Receipt: Sendable {
  /// The adapters, in order.
  public let adapters: [Entry]
  /// The stored tensors that are changed or made, by name.
  public let changed: [Name]
  /// Those of them that the base does not have.
  public let created: [Name]
  /// Those of them that have another first dimension than in the base.
  public let resized: [Name]
  /// Elements of the changed tensors.
  public let changedParameters: Int
  /// How many tensors are the base's, byte for byte.
  public let untouchedCount: Int

  /// One adapter of the stack.
  public struct Entry: Sendable {
    /// How it is called.
    public let label: String
    /// Its name.
    public let name: Name
    /// Its method, for people.
    public let method: String
    /// The digest of its file; nil where it is not from an `.adp` file.
    public let digest: Digest?
    /// Its weight.
    public let weight: Double
    /// The verdict of the base's samples.
    public let verdict: BaseVerdict
    /// How its targets were found in the base.
    public let rule: NameBinding.Rule
    /// How many tensors it changes or makes.
    public let changedCount: Int
    /// How many of them the base does not have.
    public let createdCount: Int
    /// How many operations of each kind it has, by name.
    public let operations: [(name: String, count: Int)]
    /// Targets that the base stores under another name, or in several tensors.
    public let renamed: [(target: Name, stored: [Name])]
    /// Names of one tensor that get the same change, once.
    public let tied: [[Name]]
    /// Tensors of its source that the user has left out, or that are the base's.
    public let leftOut: [Name]
    /// Decisions and doubts that a user should know of.
    public let notes: [String]
  }
}

extension AdaptedCheckpoint {
  /// The receipt of what is applied.
  public var receipt: Receipt {
    func names(_ kind: AdaptedTensor.Kind) -> [Name] {
      tensors.filter { $0.kind == kind }.map(\.info.name)
    }
    let created = names(.created)
    return Receipt(
      adapters: adapters.indices.map(entry), changed: tensors.map(\.info.name), created: created,
      resized: names(.resized),
      changedParameters: tensors.reduce(0) { $0 + $1.info.shape.count },
      untouchedCount: checkpoint.names.count - tensors.count + created.count)
  }

  private func entry(_ place: Int) -> Receipt.Entry {
    let applied = adapters[place]
    let (bound, adapter) = (applied.bound, applied.bound.adapter)
    let own =
      adapters.count == 1
      ? tensors : tensors.filter { $0.operations.contains { $0.owner == place } }
    let counts = Dictionary(adapter.operations.map { ($0.name, 1) }, uniquingKeysWith: +)
    return Receipt.Entry(
      label: applied.label, name: adapter.name, method: adapter.method,
      digest: adapter.file?.file.digest, weight: applied.weight, verdict: applied.verdict,
      rule: bound.rule, changedCount: own.count,
      createdCount: own.count { $0.kind == .created },
      operations: counts.sorted { $0.key < $1.key }.map { ($0.key, $0.value) },
      renamed: adapter.operations.compactMap { operation in
        guard let target = operation.target, ![[], [target.name]].contains(target.bound) else {
          return nil
        }
        return (target.name, target.bound)
      }, tied: bound.shared, leftOut: adapter.leftOut, notes: bound.notes)
  }
}

extension Receipt: CustomStringConvertible {
  /// A line for the tensors, and a line or more for each adapter.
  public var description: String {
    var parts = ["\(changed.count) tensors changed", "\(untouchedCount) untouched"]
    if !created.isEmpty { parts.insert("\(created.count) of them new", at: 1) }
    var lines = [parts.joined(separator: ", ")]
    for entry in adapters {
      lines.append(entry.description)
      lines += entry.notes.map { "  " + $0 }
    }
    return lines.joined(separator: "\n")
  }
}

extension Receipt.Entry: CustomStringConvertible {
  /// One line: the adapter, its weight, its operations, and how it stands to the base.
  public var description: String {
    let operations = operations.map { "\($0.count) \($0.name)" }.joined(separator: ", ")
    return "\(label) × \(weight): \(method), \(operations); base: \(verdict.sentence)"
  }
}

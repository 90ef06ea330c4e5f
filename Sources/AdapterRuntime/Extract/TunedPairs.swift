internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// Which tensor of a base each tensor of a fine-tuned model is: by its name, by the one rule that finds all tensors of
/// layers, or because it is stored once for several names.
struct TunedPairs {
  /// A tensor of both.
  struct Pair {
    let base: StoredTensor
    let tuned: StoredTensor
  }

  /// By the names of the tuned model.
  private(set) var pairs: [Pair] = []
  /// Tensors that only one of both has, buffers and copies of tied ones aside.
  private(set) var tunedOnly: [Name] = []
  private(set) var baseOnly: [Name] = []

  /// Names under which the tuned model stores a tensor of the base once more.
  private var copies: Set<Name> = []
  private let ties: TiedParameters
  private let tuned: Checkpoint

  /// The base's names for a tensor: those of parameters too that share it in the tuned model, which changed with it.
  func names(of pair: Pair) -> [Name] {
    let name = pair.base.info.name
    return [name]
      + ties.partners(of: name).filter { tuned.tensor($0) == nil || copies.contains($0) }
  }

  /// - Throws: `AdapterError` where a tensor of a layer is not in the base, or of another shape or type.
  init(_ base: Checkpoint, _ tuned: Checkpoint) throws {
    let parameters = tuned.tensors.filter { !$0.info.isBuffer }
      .sorted { $0.info.name < $1.info.name }
    ties = TiedParameters(base)
    self.tuned = tuned
    let rule = try Self.rule(parameters, base, ties)
    var found: Set<Name> = []
    for tensor in parameters {
      let name = tensor.info.name
      let candidates = [name, rule?.stored[name], rule?.renamed(name), ties.stored(for: name)]
      guard let stored = candidates.lazy.compactMap({ $0.flatMap { base.tensor($0) } }).first
      else {
        tunedOnly.append(name)
        continue
      }
      try Self.check(stored.info, tensor.info)
      guard found.insert(stored.info.name).inserted else {
        try addCopy(tensor, of: stored)
        continue
      }
      pairs.append(Pair(base: stored, tuned: tensor))
    }
    baseOnly = base.tensors.map(\.info).filter { info in
      !info.isBuffer && !found.contains(info.name)
        && !ties.partners(of: info.name).contains(where: found.contains)
    }.map(\.name).sorted()
  }

  private mutating func addCopy(_ tensor: StoredTensor, of stored: StoredTensor) throws {
    guard let pair = pairs.first(where: { $0.base.info.name == stored.info.name }),
      try !pair.tuned.differs(from: tensor)
    else {
      throw AdapterError.notSameModel(
        "\(stored.info.name) of the base is several tensors in the other, as \(tensor.info.name)")
    }
    copies.insert(tensor.info.name)
  }

  /// How names of layers are to be changed; nil where they are the base's. Heads say nothing of that.
  private static func rule(
    _ parameters: [StoredTensor], _ base: Checkpoint, _ ties: TiedParameters
  ) throws -> NameBinding? {
    let layers = parameters.filter { tensor in
      tensor.info.name.text.split(separator: ".").contains { $0.allSatisfy(\.isNumber) }
    }
    let deciding = layers.isEmpty ? parameters : layers
    guard deciding.contains(where: { base.tensor($0.info.name) == nil }) else { return nil }
    let shapes = Dictionary(
      deciding.map { ($0.info.name, $0.info.shape) }, uniquingKeysWith: { first, _ in first })
    do throws(NameBinding.Failure) {
      return try NameBinding(
        deciding.map(\.info.name), hints: [:], given: [:], in: base, ties
      ) { target, stored in
        base.tensor(stored)?.info.shape == shapes[target]
      }
    } catch {
      let missing = deciding.first { base.tensor($0.info.name) == nil }?.info.name ?? ""
      throw AdapterError.notSameModel("\(missing) is not in the base")
    }
  }

  private static func check(_ before: TensorInfo, _ after: TensorInfo) throws {
    guard before.shape != after.shape || before.type != after.type else { return }
    throw AdapterError.notSameModel(
      "\(after.name) is \(before.type.rawValue) \(before.shape) in the base, "
        + "\(after.type.rawValue) \(after.shape) in the other")
  }
}

extension StoredTensor {
  /// Returns true if another tensor of its type and shape holds other bytes.
  func differs(from other: StoredTensor) throws -> Bool {
    for elements in runs(of: 1 << 20) {
      let isEqual = try contents(of: elements) == other.contents(of: elements)
      if !isEqual { return true }
    }
    return false
  }
}

internal import AdapterInsight
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// A checkpoint that should be a merge into a base that stays quantised.
///
/// A parameter that the adapters change is one finding: its codes and scales are this program's own, or each of its
/// values is within a step of the exact one. All other tensors are compared as the files have them.
struct CodeVerification {
  private let view: AdaptedCheckpoint
  private let tolerance: Double
  /// The base's tensors as its files have them.
  private let stored: [Name: StoredTensor]
  /// The checkpoint's, likewise.
  private let found: [Name: StoredTensor]
  /// The checkpoint's quantised parameters that can be decoded, and their values.
  private let parameters: [Name: (stored: QuantisedParameter, values: StoredTensor)]
  /// The reasons why the others cannot.
  private let faults: [CheckpointError]

  private typealias Tensor = MergeVerification.Tensor

  /// The outcome of the comparison.
  struct Findings {
    /// Of each tensor and changed parameter, by name.
    var tensors: [MergeVerification.Tensor] = []
    /// The changed parameters whose steps are so wide that the base's own codes would pass as well.
    var indistinct: [Name] = []
    /// The reasons why some parameters of the checkpoint cannot be decoded.
    var faults: [CheckpointError] = []
  }

  /// - Throws: `CheckpointError.storage` where the checkpoint cannot be read.
  init(of merged: Checkpoint, as view: AdaptedCheckpoint, tolerance: Double) throws {
    (self.view, self.tolerance) = (view, tolerance)
    func asStored(_ checkpoint: Checkpoint) -> [Name: StoredTensor] {
      Dictionary(
        checkpoint.tensorsAsStored.map { ($0.info.name, $0) },
        uniquingKeysWith: { first, _ in first })
    }
    (stored, found) = (asStored(view.checkpoint), asStored(merged))
    let (decoded, faults) = try merged.dequantisedWherePossible()
    self.faults = faults
    parameters = Dictionary(
      decoded.decoded.compactMap { parameter in
        decoded.tensor(parameter.info.name).map { (parameter.info.name, (parameter, $0)) }
      }, uniquingKeysWith: { first, _ in first })
  }

  /// Computes the codes again, and compares.
  ///
  /// - Parameter report: told how many bytes have been compared, and of how many.
  /// - Throws: `AdapterError` where anything cannot be read, or a merge would be refused.
  /// - Returns: the findings.
  func run(_ report: @Sendable (Int, UInt64) -> Void) throws -> Findings {
    var (result, seen) = (Findings(faults: faults), Set<Name>())
    func count(_ names: [Name]) {
      seen.formUnion(names)
      report(names.reduce(0) { $0 + (stored[$1]?.info.byteCount ?? 0) }, view.checkpoint.byteCount)
    }
    for parameter in view.checkpoint.decoded where view.adapted(parameter.info.name) != nil {
      let comparison = try compare(parameter)
      result.tensors += try findings(of: parameter, comparison)
      if comparison.distances.cannotTellBase { result.indistinct.append(parameter.info.name) }
      count(parameter.valueTensors)
      // Another program may keep something more beside the codes.
      if let (other, _) = parameters[parameter.info.name], values(of: parameter) != nil {
        seen.formUnion(other.valueTensors)
      }
    }
    let codes = Set(view.checkpoint.decoded.map(\.info.name))
    for tensor in view.tensors where !codes.contains(tensor.info.name) {
      let name = tensor.info.name
      result.tensors.append(
        try TensorVerification(
          name: name, view: view, expected: tensor.info, found: found[name], tolerance: tolerance
        ).run { _ in })
      count([name])
    }
    let rest = stored.values.filter { !seen.contains($0.info.name) }
    result.tensors += try rest.concurrentMap { tensor in
      defer { report(tensor.info.byteCount, view.checkpoint.byteCount) }
      return try untouched(tensor)
    }
    for (name, tensor) in found where !seen.contains(name) && stored[name] == nil {
      result.tensors.append(
        Tensor(
          name: name, kind: .additional, expected: nil, found: tensor.info, difference: nil))
    }
    result.tensors.sort { $0.name < $1.name }
    return result
  }

  // MARK: - Changed parameters

  private struct Comparison {
    /// The tensors of which bytes were made.
    var made: Set<Name> = []
    /// Those that have others.
    var different: Set<Name> = []
    var distances = StepDistances()
  }

  private func compare(_ parameter: QuantisedParameter) throws -> Comparison {
    let comparison = Guarded(Comparison())
    let values = values(of: parameter)
    let survival = try RequantisedCodes.requantise(parameter, in: view) { name, place, bytes in
      let differs = try !holds(bytes, at: place, of: name)
      comparison.withLock {
        $0.made.insert(name)
        if differs { $0.different.insert(name) }
      }
    } meter: { run in
      guard let values else { return }
      var own = StepDistances()
      own.add(run, found: try values.doubles(of: run.range))
      comparison.withLock { $0.distances += own }
    }
    // Where no value changes, no byte does.
    return survival?.changedCount == 0 ? Comparison() : comparison.withLock(\.self)
  }

  /// One finding about the values of a parameter; of one that cannot be decoded, or of which no value changes, one about
  /// each of the tensors that they are read from.
  private func findings(
    of parameter: QuantisedParameter, _ comparison: Comparison
  ) throws -> [Tensor] {
    let tensors = parameter.valueTensors.compactMap { stored[$0] }
    let others = try tensors.map { tensor in
      try comparison.made.contains(tensor.info.name)
        ? finding(
          tensor, comparison.different.contains(tensor.info.name) ? .differs : .identical)
        : untouched(tensor)
    }
    let distances = comparison.distances
    guard let values = values(of: parameter), distances.elementCount > 0 else { return others }
    func one(_ kind: MergeVerification.Kind, _ difference: MergeVerification.Difference?) -> Tensor
    {
      Tensor(
        name: parameter.info.name, kind: kind, expected: parameter.info, found: values.info,
        difference: difference)
    }
    // The same bytes may stand for other values, under another configuration.
    guard !distances.isMerge else {
      return [
        others.allSatisfy(\.kind.isConfirmed)
          ? one(.identical, nil) : one(.withinOneRounding, distances.difference)
      ]
    }
    let distance = distances.difference.change?.relativeDistance ?? .infinity
    let kind: MergeVerification.Kind =
      tolerance > 0 && distance <= tolerance ? .withinTolerance : .differs
    return [one(kind, distances.difference)]
  }

  /// The values that the checkpoint has for a parameter, where it stores them in the same way.
  private func values(of parameter: QuantisedParameter) -> StoredTensor? {
    guard let (stored, values) = parameters[parameter.info.name],
      stored.scheme == parameter.scheme, values.info.shape == parameter.info.shape
    else { return nil }
    return values
  }

  private func holds(_ bytes: [UInt8], at place: Int, of name: Name) throws -> Bool {
    guard let range = found[name]?.fileRange, found[name]?.info == stored[name]?.info else {
      return false
    }
    var own = [UInt8](repeating: 0, count: bytes.count)
    try unsafe own.withUnsafeMutableBytesThrowing { memory throws(StorageError) in
      try unsafe range.read(at: UInt64(place), into: memory)
    }
    return own == bytes
  }

  // MARK: - Tensors

  private func finding(
    _ tensor: StoredTensor, _ kind: MergeVerification.Kind, differences count: Int? = nil
  ) -> Tensor {
    let other = found[tensor.info.name]
    let named: MergeVerification.Kind =
      if let info = other?.info {
        info.shape != tensor.info.shape
          ? .otherShape : info.type != tensor.info.type ? .otherType : kind
      } else {
        .missing
      }
    return Tensor(
      name: tensor.info.name, kind: named, expected: tensor.info, found: other?.info,
      difference: count.map { .init(count: $0, largest: nil, change: nil) })
  }

  /// A tensor that should have the base's bytes.
  private func untouched(_ tensor: StoredTensor) throws -> Tensor {
    guard let other = found[tensor.info.name], other.info == tensor.info else {
      return finding(tensor, .changed)
    }
    var count = 0
    for range in tensor.runs(of: 1 << 19) {
      let (mine, theirs) = (try tensor.contents(of: range), try other.contents(of: range))
      if mine != theirs { count += mine.differences(from: theirs, of: tensor.info.type).count }
    }
    return finding(
      tensor, count == 0 ? .untouched : .changed, differences: count == 0 ? nil : count)
  }
}

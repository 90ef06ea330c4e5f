internal import AdapterFormat
internal import AdapterInsight
public import Checkpoints
public import Operations
internal import Storage
public import StrictJSON
internal import SystemPackage

/// An adapter of the biases that a fine-tuning changed (BitFit, arXiv:2106.10199), such that a merge
/// gives the tuned biases back bit for bit.
///
/// For every bias the first of these is taken that restores it: a difference in F32, one in F64, the
/// value itself. A difference can be weighed, summed with other adapters, and moved to a base that is
/// slightly different; a value cannot.
public struct BiasExtraction: Sendable {
  /// The adapter, with the base's fingerprint.
  public let adapter: Adapter
  /// Changed tensors that are no biases, which the adapter does not hold.
  public let left: [Name]
  /// Tensors that the base alone has.
  public let missing: [Name]
  /// How each bias is held.
  public let forms: [(name: Name, form: Form)]

  /// How a bias is held.
  public enum Form: String, Sendable, Hashable, CaseIterable {
    /// As a difference in F32.
    case single = "F32 difference"
    /// As a difference in F64.
    case double = "F64 difference"
    /// As its value.
    case value
  }

  /// The options of an extraction.
  public struct Options: Sendable, Hashable {
    /// True if changes of other tensors are left behind instead of refused.
    public var leavesOthers: Bool
    /// True if values are held even where a difference would do.
    public var holdsValues: Bool

    /// Refuses other changes, and holds differences, unless told otherwise.
    public init(leavesOthers: Bool = false, holdsValues: Bool = false) {
      self.leavesOthers = leavesOthers
      self.holdsValues = holdsValues
    }
  }

  /// Compares a fine-tuned model with its base.
  ///
  /// - Parameters:
  ///   - base: the base.
  ///   - tuned: the fine-tuned model; or its biases alone, if it holds nothing else.
  ///   - options: what is wanted.
  /// - Throws: `AdapterError` where the two do not belong together, or differ in more than biases.
  public init(
    from base: Checkpoint, to tuned: Checkpoint, options: Options = Options()
  ) throws {
    let pairs = try TunedPairs(base, tuned)
    let isBiasesAlone = tuned.tensors.allSatisfy { Self.isBias($0.info) }
    var left = pairs.tunedOnly
    guard !pairs.pairs.isEmpty else { throw AdapterError.notSameModel("no tensor is in both") }
    if !options.leavesOthers { try Self.checkWhole(pairs, isBiasesAlone: isBiasesAlone) }
    var forms: [(name: Name, form: Form)] = []
    var operations: [Operation] = []
    var tensors: [TensorContents] = []
    for pair in pairs.pairs where try pair.base.differs(from: pair.tuned) {
      guard Self.isBias(pair.tuned.info) else {
        left.append(pair.tuned.info.name)
        continue
      }
      let change = try ExtractedBias(pair.base, pair.tuned, holdsValue: options.holdsValues)
      for name in pairs.names(of: pair) { operations.append(try change.operation(on: name)) }
      tensors.append(change.tensor)
      forms.append((pair.base.info.name, change.form))
    }
    guard left.isEmpty || options.leavesOthers else { throw AdapterError.otherChanges(left) }
    self.left = left
    missing = isBiasesAlone ? [] : pairs.baseOnly
    self.forms = forms
    let plain = Adapter(
      name: "default", method: "bitfit", operations: operations, inert: [], source: nil, files: [],
      base: BaseRecord(
        name: base.path.lastComponent?.string, revision: nil, architecture: nil, fingerprint: nil),
      tensors: tensors)
    adapter = try BoundAdapter(plain, to: base).recordingBase(base)
  }

  /// A bias is a vector; GPT-2's causal masks, which are called so too, are not.
  private static func isBias(_ info: TensorInfo) -> Bool {
    !info.isBuffer
      && (info.name == "bias" || info.name.hasSuffix(".bias") || info.name.hasSuffix("_bias"))
      && info.type.isFloat && info.shape.dimensions.count <= 1
  }

  /// Both have the same tensors; of a model's biases alone, none that the base lacks.
  private static func checkWhole(_ pairs: TunedPairs, isBiasesAlone: Bool) throws {
    if let name = pairs.tunedOnly.first {
      throw AdapterError.notSameModel("\(name) is not in the base", kind: .otherChanges)
    }
    if let name = pairs.baseOnly.first, !isBiasesAlone {
      throw AdapterError.notSameModel("\(name) is in the base only", kind: .otherChanges)
    }
  }
}

/// The change of one bias, in the first form that restores it.
private struct ExtractedBias {
  let name: Name
  let form: BiasExtraction.Form
  let tensor: TensorContents
  let result: Digest

  init(
    _ before: StoredTensor, _ after: StoredTensor, holdsValue: Bool
  ) throws {
    let info = before.info
    let (old, new) = try (before.contents(), after.contents())
    name = info.name
    result = Digest(of: new)
    if !holdsValue {
      for (form, type) in [(BiasExtraction.Form.single, ElementType.f32), (.double, .f64)] {
        let delta = BiasDelta(from: old, to: new, of: info.type, as: type)
        guard delta.restored == new else { continue }
        self.form = form
        let shape = TensorInfo(name: name, type: type, shape: info.shape)
        tensor = TensorContents(shape, bytes: MemoryBytes(delta.bytes), offset: 0)
        return
      }
    }
    form = .value
    tensor = TensorContents(info, bytes: MemoryBytes(new), offset: 0)
  }

  func operation(on name: Name) throws -> Operation {
    let operand = TypedOperand(tensor.info)
    if form == .value {
      return try Operation(
        Replace(target: Target(name), value: operand, result: result))
    }
    return try Operation(
      Add(target: Target(name), delta: operand, scale: 1, result: result))
  }
}

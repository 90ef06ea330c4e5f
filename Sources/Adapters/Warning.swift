public import AdapterFormat
internal import Storage
public import StrictJSON

/// Something about an adapter that its user should know.
@nonexhaustive
public enum Warning: Sendable, Hashable {
  /// It has no operation: it does nothing.
  case empty
  /// Low-rank changes whose B is all zero: they do nothing.
  case zeroChange(targets: [Name])
  /// Low-rank changes of rank 0: they do nothing.
  case rankZero(targets: [Name])
  /// Tensors that hold a NaN or an infinity.
  case nonfinite(tensors: [Name])
  /// Targets whose layout only a base can decide.
  case unresolvedLayout(targets: [Name])
  /// Parts of a later version, which this one cannot apply.
  case unsupported(reasons: [String])

  /// A short name for programs.
  public var code: String {
    switch self {
    case .empty: "empty"
    case .zeroChange: "zero_change"
    case .rankZero: "rank_zero"
    case .nonfinite: "nonfinite"
    case .unresolvedLayout: "unresolved_layout"
    case .unsupported: "unsupported"
    }
  }

  /// The targets, tensors or reasons that it is about.
  public var subjects: [String] {
    switch self {
    case .empty: []
    case .zeroChange(let names), .rankZero(let names), .nonfinite(let names),
      .unresolvedLayout(let names):
      names.map(\.text)
    case .unsupported(let reasons): reasons
    }
  }

  /// What there is to say of an adapter.
  ///
  /// - Throws: `FormatError` where tensors that must be looked at cannot be read; one from an `.adp`
  ///   file is judged by its manifest alone.
  public static func all(of adapter: Adapter) throws(FormatError) -> [Warning] {
    let low = adapter.operations.compactMap { operation in
      if case .addLowRank(let low) = operation { low } else { nil }
    }
    var zero: [Name] = []
    var zeros = ZeroDigests()
    for operation in low where operation.rank > 0 {
      let isZero = try zeros.isZero(operation.b.tensor, of: adapter)
      if operation.scale == 0 || isZero { zero.append(operation.target) }
    }
    let reasons = adapter.operations.compactMap { operation in
      if case .unsupported(_, let reason) = operation { reason } else { nil }
    }
    let candidates: [Warning] = [
      .zeroChange(targets: zero),
      .rankZero(targets: low.filter { $0.rank == 0 }.map(\.target)),
      .nonfinite(tensors: try nonfinite(adapter)),
      .unresolvedLayout(targets: low.filter { $0.layout == .unresolved }.map(\.target)),
      .unsupported(reasons: reasons),
    ]
    let found = candidates.filter { !$0.subjects.isEmpty }
    return adapter.operations.isEmpty ? [.empty] + found : found
  }

  /// What the manifest says; of an adapter that is in no file yet, what the values say.
  private static func nonfinite(_ adapter: Adapter) throws(FormatError) -> [Name] {
    if let (file, index) = adapter.file { return file.manifest.adapters[index].nonfinite ?? [] }
    var names: [Name] = []
    for tensor in adapter.tensors {
      let contents = try adapter.contents(of: tensor.name)
      if NonFinite.isPresent(in: contents, of: tensor.type) { names.append(tensor.name) }
    }
    return names
  }
}

/// Recognises tensors of zeros by their digest, which needs none of their bytes.
private struct ZeroDigests {
  private var digests: [Int: Digest] = [:]

  mutating func isZero(_ name: Name, of adapter: Adapter) throws(FormatError) -> Bool {
    guard let info = adapter.tensor(name), info.byteCount > 0 else { return false }
    guard let (file, index) = adapter.file, let digest = file.digest(of: name, adapter: index)
    else { return try adapter.contents(of: name).allSatisfy { $0 == 0 } }
    let zero = digests[info.byteCount] ?? Self.digest(ofZeros: info.byteCount)
    digests[info.byteCount] = zero
    return digest == zero
  }

  private static func digest(ofZeros count: Int) -> Digest {
    let zeros = [UInt8](repeating: 0, count: min(count, 1 << 16))
    var hasher = DigestHasher()
    for start in stride(from: 0, to: count, by: zeros.count) {
      hasher.update(start + zeros.count <= count ? zeros : Array(zeros.prefix(count - start)))
    }
    return hasher.finish()
  }
}

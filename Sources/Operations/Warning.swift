public import AdapterFormat
internal import Storage
public import StrictJSON

/// Something about an adapter that its user should know.
@nonexhaustive
public enum Warning: Sendable, Hashable {
  /// It has no operation: it does nothing.
  case empty
  /// Changes whose values have no effect: a B or a δ of zeros, factors of one.
  case zeroChange(targets: [Name])
  /// Low-rank changes of rank 0: they do nothing.
  case rankZero(targets: [Name])
  /// Low-rank changes whose scale no training would give them.
  case absurdScale(targets: [Name], scale: Double)
  /// Tensors that hold a NaN or an infinity.
  case nonfinite(tensors: [Name])
  /// Targets whose layout only a base can decide.
  case unresolvedLayout(targets: [Name])
  /// Something that the adapter may lack, by what is known of the format it came from.
  case source(SourceDoubt)
  /// Parts of a later version, which this one cannot apply.
  case unsupported(reasons: [String])

  /// A short name for programs.
  public var code: String {
    switch self {
    case .empty: "empty"
    case .zeroChange: "zero_change"
    case .rankZero: "rank_zero"
    case .absurdScale: "absurd_scale"
    case .nonfinite: "nonfinite"
    case .unresolvedLayout: "unresolved_layout"
    case .source(let doubt): doubt.code
    case .unsupported: "unsupported"
    }
  }

  /// The targets, tensors or reasons that it is about.
  public var subjects: [String] {
    switch self {
    case .empty: []
    case .zeroChange(let names), .rankZero(let names), .nonfinite(let names),
      .unresolvedLayout(let names), .absurdScale(let names, _):
      names.map(\.text)
    case .source(let doubt): doubt.subjects
    case .unsupported(let reasons): reasons
    }
  }

  /// Returns the warnings about an adapter.
  ///
  /// - Parameters:
  ///   - adapter: the adapter.
  ///   - doubts: what the format that it came from says.
  /// - Returns: the warnings, each about something.
  /// - Throws: `FormatError` where tensors that must be looked at cannot be read; one from an `.adp`
  ///   file is judged by its manifest alone.
  public static func all(
    of adapter: Adapter, doubts: [SourceDoubt] = []
  ) throws(FormatError) -> [Warning] {
    let (zero, rankZero) = try adapter.neutralTargets()
    let reasons = adapter.operations.compactMap(\.reasonNotApplied)
    let unresolved = adapter.operations.compactMap(\.target).filter { $0.layout == .unresolved }
    let candidates: [Warning] =
      [
        .zeroChange(targets: zero), .rankZero(targets: rankZero), absurdScale(adapter),
        .nonfinite(tensors: try nonfinite(adapter)),
        .unresolvedLayout(targets: unresolved.map(\.name)), .unsupported(reasons: reasons),
      ] + doubts.map(Warning.source)
    let found = candidates.filter { !$0.subjects.isEmpty }
    return adapter.operations.isEmpty ? [.empty] + found : found
  }

  /// alpha / r of LoRA: what is beyond these is a mistake more often than a choice.
  private static let plausibleScales = 1.0 / 256...64

  private static func absurdScale(_ adapter: Adapter) -> Warning {
    var worst = 1.0
    let targets = adapter.operations.filter { operation in
      guard operation.kind?.lowRank != nil, let scale = operation.summary.scale.map(abs),
        scale != 0, !plausibleScales.contains(scale)
      else { return false }
      if max(scale, 1 / scale) > max(worst, 1 / worst) { worst = scale }
      return true
    }
    return .absurdScale(targets: targets.compactMap(\.target?.name), scale: worst)
  }

  /// Returns the tensors with a NaN or an infinity: those that the manifest lists or, for an adapter that is not in a
  /// file yet, those found by reading the values.
  private static func nonfinite(_ adapter: Adapter) throws(FormatError) -> [Name] {
    if let (file, index) = adapter.file { return file.manifest.adapters[index].nonfinite ?? [] }
    let found = try adapter.tensors.concurrentMap { info throws(FormatError) -> Name? in
      var isFound = false
      try adapter.forEachPiece(of: info) { piece in
        isFound = NonFinite.isPresent(in: piece, of: info.type)
        return !isFound
      }
      return isFound ? info.name : nil
    }
    return found.compactMap(\.self)
  }
}

extension Adapter {
  /// Returns true if no operation changes anything, whatever the base.
  ///
  /// - Throws: `FormatError` where tensors that must be looked at cannot be read.
  package func isNeutral() throws(FormatError) -> Bool {
    let (zero, rankZero) = try neutralTargets()
    return zero.count + rankZero.count == operations.count
  }

  /// The targets of operations that change nothing: by their values or their scale, and by their rank.
  fileprivate func neutralTargets() throws(FormatError) -> (zero: [Name], rankZero: [Name]) {
    var (zero, rankZero): ([Name], [Name]) = ([], [])
    var constants = ConstantDigests()
    for operation in operations {
      guard let neutral = operation.kind?.laws.neutral, let target = operation.target else {
        continue
      }
      if operation.summary.rank == 0 {
        rankZero.append(target.name)
      } else {
        let isNeutral = try constants.holds(neutral, of: self)
        if neutral.scale == 0 || isNeutral { zero.append(target.name) }
      }
    }
    return (zero, rankZero)
  }
}

/// Something that an adapter may lack, or do otherwise than its maker thinks, by what is known of the format it
/// came from.
public struct SourceDoubt: Sendable, Hashable {
  /// A short name for programs.
  public let code: String
  /// The targets, tensors or settings that it is about.
  public let subjects: [String]
  /// The doubt for people.
  public let sentence: String

  /// Notes a doubt.
  public init(code: String, subjects: [String], sentence: String) {
    self.code = code
    self.subjects = subjects
    self.sentence = sentence
  }
}

/// Recognises tensors that hold one value only by their digest, which needs none of their bytes.
private struct ConstantDigests {
  private struct Key: Hashable {
    let value: Laws.Neutral.Value
    let type: ElementType
    let count: Int
  }

  private var digests: [Key: Digest] = [:]

  mutating func holds(
    _ neutral: Laws.Neutral, of adapter: Adapter
  ) throws(FormatError) -> Bool {
    let (name, value) = (neutral.operand.operand.tensor, neutral.value)
    guard let info = adapter.tensor(name), info.byteCount > 0 else { return false }
    let unit = Self.bytes(of: value, as: info.type)
    guard let (file, index) = adapter.file, let digest = file.digest(of: name, adapter: index)
    else {
      let contents = try adapter.contents(of: name)
      return contents.indices.allSatisfy { contents[$0] == unit[$0 % unit.count] }
    }
    let key = Key(value: value, type: info.type, count: info.shape.count)
    let constant = digests[key] ?? Self.digest(of: unit, count: info.shape.count)
    digests[key] = constant
    return digest == constant
  }

  private static func bytes(
    of value: Laws.Neutral.Value, as type: ElementType
  ) -> [UInt8] {
    let bits: UInt64 =
      switch (value, type) {
      case (.zero, _): 0
      case (.one, .f64): (1 as Double).bitPattern
      case (.one, .bf16): 0x3F80
      case (.one, .f16): 0x3C00
      case (.one, _): UInt64((1 as Float).bitPattern)
      }
    return (0..<max(1, type.bitWidth / 8)).map {
      UInt8(truncatingIfNeeded: bits >> (8 * UInt64($0)))
    }
  }

  private static func digest(of unit: [UInt8], count: Int) -> Digest {
    let piece = Array(repeatElement(unit, count: min(count, 1 << 14)).joined())
    var hasher = DigestHasher()
    var rest = count * unit.count
    while rest > 0 {
      hasher.update(rest >= piece.count ? piece : Array(piece.prefix(rest)))
      rest -= min(rest, piece.count)
    }
    return hasher.finish()
  }
}

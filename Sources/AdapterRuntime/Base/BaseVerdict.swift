public import Checkpoints
internal import Operations
public import StrictJSON

/// The verdict on whether a base is the one that an adapter was made for, from its samples.
@nonexhaustive
public enum BaseVerdict: Error, Sendable, Hashable {
  /// Every sample is the same, byte for byte.
  case exact
  /// Every sampled value is the same, in another element type.
  case sameValues
  /// Tensors that the adapter leaves alone have more rows; the samples of those that were there are the same.
  case padded([Name])
  /// It is quantised, and holds what quantising the recorded values may give. That it was made of these cannot be told.
  case near(Nearness)
  /// The adapter records no samples: its base is trusted by name.
  case unknown
  /// The adapter is left out, with weight 0: nothing was compared.
  case leftOut
  /// The adapter records samples, but none of these tensors, which it changes.
  case targetsNotSampled([Name])
  /// The tensors that the adapter changes are the same; others are not.
  case othersDiffer([Name])
  /// Tensors that the adapter changes have more rows than it was made for.
  case targetsPadded([Name])
  /// Tensors that the adapter changes hold other values, the worst first.
  case targetsDiffer([Name])
  /// They hold what they would hold after a merge of this very adapter.
  case alreadyMerged([Name])
  /// Tensors of the adapter's base that are not there, or have another shape.
  case structureDiffers(missing: [Name], otherShape: [Name])
  /// Parameters that the adapter changes are stored in so few values that they cannot be changed.
  case quantised(QuantisationScheme, [Name])

  /// How near a quantised base is to the recorded one.
  public struct Nearness: Sendable, Hashable {
    /// How it is quantised; of several ways the first.
    public let scheme: QuantisationScheme
    /// The tensors that hold other values, sorted.
    public let names: [Name]
    /// ‖W′ − W‖ / ‖W‖ over the sampled values: some 0.01 for eight bits, 0.1 for four.
    public let distance: Double
    /// ‖W′ − W‖ / ‖ΔW‖ over those of the adapter's targets; nil where that cannot be told.
    public let distanceInChanges: Double?
  }

  /// The verdict's name for programs.
  public var code: String {
    switch self {
    case .exact: "exact"
    case .sameValues: "same_values"
    case .padded: "padded"
    case .near: "near"
    case .unknown: "no_fingerprint"
    case .leftOut: "left_out"
    case .targetsNotSampled: "targets_not_sampled"
    case .othersDiffer: "others_differ"
    case .targetsPadded: "targets_padded"
    case .targetsDiffer: "targets_differ"
    case .alreadyMerged: "already_merged"
    case .structureDiffers: "structure_differs"
    case .quantised: "quantised"
    }
  }

  /// The tensors that are not as they were recorded.
  public var names: [Name] {
    switch self {
    case .exact, .sameValues, .unknown, .leftOut: []
    case .near(let near): near.names
    case .padded(let names), .targetsNotSampled(let names), .othersDiffer(let names),
      .targetsPadded(let names), .targetsDiffer(let names), .alreadyMerged(let names),
      .quantised(_, let names):
      names
    case .structureDiffers(let missing, let otherShape): missing + otherShape
    }
  }

  /// The verdict for people.
  public var sentence: String {
    switch self {
    case .exact: "matches in every sample"
    case .sameValues: "matches in every sample, in another element type"
    case .padded(let names):
      "matches in every sample; \(Self.list(names, "has", "have")) more rows, which the adapter leaves alone"
    case .near(let near): near.sentence
    case .unknown: "no fingerprint in the adapter: only names and shapes were compared"
    case .leftOut: "not compared: weight 0 leaves the adapter out"
    case .targetsNotSampled(let names):
      "\(Self.list(names, "has", "have")) no sample in the adapter's fingerprint"
    case .othersDiffer(let names):
      "the adapter's targets match, but \(Self.list(names, "has", "have")) not"
    case .targetsPadded(let names):
      "\(Self.list(names, "has", "have")) more rows than in the adapter's base, and the adapter sizes "
        + (names.count == 1 ? "it" : "them")
    case .targetsDiffer(let names):
      "\(Self.list(names, "has", "have")) other values than the adapter's base"
    case .alreadyMerged(let names):
      "this adapter is already merged into it: \(Self.list(names, "holds", "hold")) the result"
    case .structureDiffers(let missing, []): "the base has no \(Self.list(missing, "", ""))"
    case .structureDiffers([], let names):
      "\(Self.list(names, "has", "have")) another shape than in the adapter's base"
    case .structureDiffers(let missing, let names):
      "the base has no \(Self.list(missing, "", "")), and \(Self.list(names, "has", "have")) another shape"
    case .quantised(let scheme, let names):
      "\(Self.list(names, "is", "are")) quantised (\(scheme.rawValue)), in too few values to hold the change"
    }
  }

  private static func list(_ names: [Name], _ singular: String, _ plural: String) -> String {
    let shown = names.prefix(3).map(\.text).joined(separator: ", ")
    let rest = names.count > 3 ? " and \(names.count - 3) more" : ""
    let verb = names.count == 1 ? singular : plural
    return shown + rest + (verb.isEmpty ? "" : " " + verb)
  }
}

extension BaseVerdict.Nearness {
  fileprivate var sentence: String {
    func short(_ value: Double) -> String {
      let place = value >= 10 ? 1.0 : value >= 1 ? 10 : 100
      let rounded = (value * place).rounded() / place
      return place == 1 ? "\(Int(min(rounded, 1e9)))" : "\(rounded)"
    }
    let own =
      "near the adapter's base, and quantised (\(scheme.rawValue)): values \(short(100 * distance)) % off"
    return own + (distanceInChanges.map { ", \(short($0)) times the adapter's change" } ?? "")
  }
}

// MARK: - Policy

extension BaseVerdict {
  /// True if a merge goes on, unless a user asks for a fingerprint.
  public var isAccepted: Bool {
    switch self {
    case .exact, .sameValues, .padded, .near, .unknown, .leftOut: true
    case .targetsNotSampled, .othersDiffer, .targetsPadded, .targetsDiffer, .alreadyMerged,
      .structureDiffers, .quantised:
      false
    }
  }

  /// Returns true if a merge goes on under the user's policy for another base.
  func isAccepted(by policy: AdaptedCheckpoint.Policy.OtherBase) -> Bool {
    switch self {
    case .othersDiffer, .targetsNotSampled: policy != .refuse
    case .targetsDiffer: policy == .allowTargets
    case .exact, .sameValues, .padded, .near, .unknown, .leftOut: true
    case .targetsPadded, .alreadyMerged, .structureDiffers, .quantised: false
    }
  }

  /// How much it speaks against the base.
  var doubt: Int {
    switch self {
    case .exact, .leftOut: 0
    case .sameValues: 1
    case .padded: 2
    case .near: 3
    case .unknown: 4
    case .targetsNotSampled: 5
    case .othersDiffer: 6
    case .targetsPadded: 7
    case .targetsDiffer: 8
    case .alreadyMerged: 9
    case .structureDiffers: 10
    case .quantised: 11
    }
  }

  /// Why a merge does not go on.
  var refusal: String {
    switch self {
    case .unknown: "the adapter has no fingerprint of its base"
    case .near: "not the base of the fingerprint: \(sentence)"
    default: "wrong base: \(sentence)"
    }
  }

  /// The kind of the error that refuses the base.
  var kind: AdapterError.Kind { AdapterError.Kind(rawValue: code) ?? .misuse }

  /// The advice to the user; nil if nothing can be done with this base, or if the user may insist.
  var advice: String? {
    switch self {
    case .targetsPadded: "merge into the base as it was before its vocabulary was padded"
    case .alreadyMerged:
      "merge into the base as it was before: a second time the change would be doubled"
    case .quantised:
      "write floats: --dequantize; write codes again: --requantize; or merge into the unquantised original"
    case .exact, .sameValues, .padded, .near, .unknown, .leftOut, .targetsNotSampled,
      .othersDiffer, .targetsDiffer, .structureDiffers:
      nil
    }
  }
}

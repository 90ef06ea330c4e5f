internal import AdapterFormat
public import Operations
public import Storage
public import StrictJSON

/// Something that the numbers of an adapter show, and that its maker may not have meant.
@nonexhaustive
public enum Finding: Sendable, Hashable {
  /// No operation changes anything: an adapter that was never trained.
  case untrained
  /// Most of what changes, by ‖ΔW‖_F², is in one layer of several.
  case concentrated(layer: String, share: Double)
  /// The factors have room for far more directions than the changes use: the median of the effective
  /// ranks is far below the rank.
  case unusedRank(rank: Int, effectiveRank: Double, targets: Int)
  /// Tensors hold only values that a smaller element type holds exactly.
  case widerThanNeeded(type: ElementType, needed: ElementType, tensors: Int, savedBytes: Int)
  /// A scale that is far from those in use.
  case unusualScale(scale: Double, rank: Int, targets: Int)
  /// Values of parameters that are given whole take most of the file.
  case wholeParameters(names: [Name], share: Double)

  /// A short name for programs.
  public var code: String {
    switch self {
    case .untrained: "untrained"
    case .concentrated: "concentrated"
    case .unusedRank: "unused_rank"
    case .widerThanNeeded: "wider_than_needed"
    case .unusualScale: "unusual_scale"
    case .wholeParameters: "whole_parameters"
    }
  }
}

// MARK: - Looking

extension Finding {
  /// Scales that one sees: alpha / r of LoRA from 1 / 16 to 16.
  private static let usualScales = 1.0 / 16...16
  /// A layer that holds more than this of ‖ΔW‖_F², where there are at least four.
  private static let largeShare = 0.5
  private static let fewestLayers = 4
  /// Ranks below this have nothing to spare.
  private static let smallestRank = 8

  /// Returns the findings about an adapter.
  ///
  /// - Parameters:
  ///   - adapter: the adapter.
  ///   - effects: its measured effects.
  ///   - layer: the layer of a parameter, as a label; nil for one that is in none.
  /// - Throws: `FormatError` where a tensor cannot be read or is damaged.
  /// - Returns: the findings, the most serious kinds first.
  public static func all(
    of adapter: Adapter, _ effects: AdapterEffects, layer: (Name) -> String?
  ) throws -> [Finding] {
    var findings: [Finding] = []
    let measured = effects.targets.flatMap(\.measures)
    let isComplete = !measured.isEmpty && effects.targets.allSatisfy { $0.target != nil }
    if isComplete, measured.allSatisfy({ $0.norm == 0 && $0.space != .value }) {
      findings.append(.untrained)
    }
    if let finding = concentrated(effects, layer) { findings.append(finding) }
    findings += unusedRanks(effects)
    findings += unusualScales(adapter)
    if let finding = wholeParameters(adapter) { findings.append(finding) }
    findings += try widerThanNeeded(adapter)
    return findings
  }

  private static func concentrated(
    _ effects: AdapterEffects, _ layer: (Name) -> String?
  ) -> Finding? {
    var sums: [String: Double] = [:]
    var total = 0.0
    for effect in effects.targets {
      // A share of what is not all known is no share.
      guard let name = effect.target, let norm = effect.changeNorm else { return nil }
      total += norm * norm
      if let layer = layer(name) { sums[layer, default: 0] += norm * norm }
    }
    guard sums.count >= fewestLayers, total > 0, total.isFinite,
      let largest = sums.max(by: { ($0.value, $1.key) < ($1.value, $0.key) }),
      largest.value > largeShare * total
    else { return nil }
    return .concentrated(layer: largest.key, share: largest.value / total)
  }

  private static func unusedRanks(_ effects: AdapterEffects) -> [Finding] {
    var used: [Int: [Double]] = [:]
    for measure in effects.targets.flatMap(\.measures) {
      guard let rank = measure.rank, rank >= smallestRank, let spectrum = measure.spectrum,
        spectrum.spectralNorm > 0
      else { continue }
      used[rank, default: []].append(spectrum.effectiveRank)
    }
    return used.sorted { $0.key < $1.key }.compactMap { rank, ranks in
      let median = ranks.sorted()[ranks.count / 2]
      return median < Double(rank) / 4
        ? .unusedRank(rank: rank, effectiveRank: median, targets: ranks.count) : nil
    }
  }

  private static func unusualScales(_ adapter: Adapter) -> [Finding] {
    struct Key: Hashable {
      let scale: Double
      let rank: Int
    }
    var counts: [Key: Int] = [:]
    for operation in adapter.operations where operation.kind?.lowRank != nil {
      guard let scale = operation.summary.scale, let rank = operation.summary.rank, rank > 0,
        !usualScales.contains(abs(scale))
      else { continue }
      counts[Key(scale: scale, rank: rank), default: 0] += 1
    }
    return counts.sorted { ($0.key.scale, $0.key.rank) < ($1.key.scale, $1.key.rank) }.map {
      .unusualScale(scale: $0.key.scale, rank: $0.key.rank, targets: $0.value)
    }
  }

  private static func wholeParameters(_ adapter: Adapter) -> Finding? {
    var (names, bytes): ([Name], Int) = ([], 0)
    for operation in adapter.operations {
      guard let value = operation.kind?.laws.manner.value, let target = operation.target else {
        continue
      }
      names.append(target.name)
      bytes += value.count * value.type.bitWidth / 8
    }
    let total = adapter.tensors.reduce(0) { $0 + $1.byteCount }
    guard names.count < adapter.operations.count, total > 0 else { return nil }
    let share = Double(bytes) / Double(total)
    return share > 0.5 ? .wholeParameters(names: names, share: share) : nil
  }

  private static func widerThanNeeded(_ adapter: Adapter) throws -> [Finding] {
    // Small tensors save nothing, and hold ones and zeros by chance.
    let wide = adapter.tensors.filter { $0.type == .f32 && $0.shape.count >= 64 }
    let needed = try wide.concurrentMap { info throws -> ElementType? in
      do throws {
        return NarrowType.holding(try adapter.contents(of: info.name))
      } catch FormatError.excess {
        return nil
      }
    }
    let pairs = zip(wide, needed)
    return [ElementType.bf16, .f16].compactMap { type in
      let members = pairs.filter { $0.1 == type }
      let saved = members.reduce(0) { $0 + $1.0.byteCount / 2 }
      let isMost = saved * 4 > wide.reduce(0) { $0 + $1.byteCount }
      return isMost
        ? .widerThanNeeded(type: .f32, needed: type, tensors: members.count, savedBytes: saved)
        : nil
    }
  }
}

/// The narrower type that F32 values came from.
private enum NarrowType {
  /// The 16-bit type that holds all values of a tensor; nil where none does, or where they are all zero.
  static func holding(_ bytes: [UInt8]) -> ElementType? {
    unsafe bytes.withUnsafeBytes { bytes in
      var low: UInt32 = 0
      var any: UInt32 = 0
      for offset in stride(from: 0, to: bytes.count, by: 4) {
        let unit = unsafe UInt32(
          littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
        low |= unit & 0xFFFF
        any |= unit
      }
      guard any << 1 != 0 else { return nil }
      if low == 0 { return .bf16 }
      // A half has 13 bits less at the end of its fraction.
      guard low & 0x1FFF == 0 else { return nil }
      for offset in stride(from: 0, to: bytes.count, by: 4) {
        let value = unsafe Float(
          bitPattern: UInt32(
            littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
        // Below 2^−14 a half has fewer digits: multiples of 2^−24.
        let multiple = value * 0x1p24
        if abs(value) > 65504 || (abs(value) < 0x1p-14 && multiple != multiple.rounded()) {
          return nil
        }
      }
      return .f16
    }
  }
}

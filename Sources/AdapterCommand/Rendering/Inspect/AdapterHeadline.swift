internal import AdapterFormat
internal import AdapterInsight
internal import AdapterInterop
internal import AdapterRuntime
internal import Operations
internal import Storage
internal import StrictJSON

/// An adapter in a few words: method, rank, scale; where it acts; how much it changes.
struct AdapterHeadline {
  let inspected: InspectedAdapter
  let facts: TrainingFacts

  init(_ inspected: InspectedAdapter) {
    self.inspected = inspected
    facts = TrainingFacts(of: inspected.adapter)
  }

  private var adapter: Adapter { inspected.adapter }
  private var inspection: Inspection { inspected.inspection }

  /// `LoRA with DoRA, r 8, alpha 32 (scale 4)`.
  var method: String {
    let variants = facts.variants.isEmpty ? "" : " with " + facts.variants.joined(separator: ", ")
    let ranked = inspection.groups.filter { $0.summary.rank != nil }
    let rank = Self.range(ranked.compactMap { $0.summary.rank.map(Double.init) })
    let scale = Self.range(ranked.compactMap(\.summary.scale))
    var numbers = rank.map { ["r \($0)"] } ?? []
    if let alpha = facts.alpha {
      numbers.append("alpha \(alpha.short)" + (scale.map { " (scale \($0))" } ?? ""))
    } else if let scale {
      numbers.append("scale \(scale)")
    }
    return ([facts.method + variants] + numbers).joined(separator: ", ")
  }

  /// `q_proj, v_proj of 30 layers (60 parameters)`; nil where it acts on none.
  var place: String? {
    let targets = inspection.groups.flatMap(\.targets)
    guard !targets.isEmpty else { return nil }
    let modules = targets.map(\.leafModule).unique
    let layers = Set(targets.compactMap(\.layerLabel)).count
    let shown = modules.prefix(7).joined(separator: ", ")
    return shown + (modules.count > 7 ? " and \(modules.count - 7) more" : "")
      + (layers > 0 ? " of \(layers.of("layer"))" : "")
      + " (\(Set(targets).count.of("parameter")))"
  }

  /// `dropout 0.05, task CAUSAL_LM, PEFT 0.21.2`; nil where nothing is known.
  var training: String? {
    let parts = [
      facts.dropout.map { "dropout \($0.short)" }, facts.task.map { "task \($0)" },
      facts.version.map { "PEFT \($0)" },
    ].compactMap(\.self)
    return parts.isEmpty ? nil : parts.joined(separator: ", ")
  }

  /// How much it changes, and where most of it is; nil where that is not known.
  var change: String? {
    guard let values = inspected.values else { return nil }
    let layers = LayerShares(values.effects)
    let size: String
    if let share = inspected.change?.measurement.relativeChange {
      size = "\((share * 100).short) % of the weights it touches (1 to 10 % is usual)"
    } else if let norm = values.effects.totalNorm {
      size = "‖ΔW‖ = \(norm.short)"
    } else {
      return nil
    }
    return size + (layers.map { ", half of it in \($0.middle)  \($0.bars)" } ?? "")
  }

  /// The smallest and the largest; nil for none.
  private static func range(_ values: [Double]) -> String? {
    guard let least = values.min(), let most = values.max() else { return nil }
    return least == most ? least.short : "\(least.short)–\(most.short)"
  }
}

/// How the square of a change is spread over layers.
private struct LayerShares {
  /// The fewest neighbours that hold half of it.
  let middle: String
  /// A bar for each layer, or for several.
  let bars: String

  init?(_ effects: AdapterEffects) {
    var squares: [Int: Double] = [:]
    var stacks = Set<String>()
    for effect in effects.targets {
      guard let name = effect.target, let norm = effect.changeNorm, norm.isFinite else { continue }
      let place = ParameterPlace(name)
      guard let layer = place.layer else { continue }
      stacks.insert(place.stack ?? "")
      squares[layer, default: 0] += norm * norm
    }
    let total = squares.values.reduce(0, +)
    // Layers of an encoder and of a decoder have the same numbers.
    guard squares.count > 2, stacks.count == 1, total > 0 else { return nil }
    let layers = squares.keys.sorted()
    let values = layers.map { squares[$0] ?? 0 }
    var best = 0..<layers.count
    var (start, sum) = (0, 0.0)
    for end in values.indices {
      sum += values[end]
      while sum - values[start] >= total / 2 {
        sum -= values[start]
        start += 1
      }
      if sum >= total / 2, end + 1 - start < best.count { best = start..<end + 1 }
    }
    let (first, last) = (layers[best.lowerBound], layers[best.upperBound - 1])
    middle = first == last ? "layer \(first)" : "layers \(first)–\(last)"
    bars = sparkline(values.map { $0.squareRoot() }, width: 32)
  }
}

extension ChangeMeasurement {
  /// ‖ΔW‖ / ‖W‖ of all tensors that the base has together; nil where there is none.
  fileprivate var relativeChange: Double? {
    var (change, weight) = (0.0, 0.0)
    for tensor in tensors {
      guard let part = tensor.change else { continue }
      change += part.leftNorm * part.leftNorm
      weight += tensor.weightNorm * tensor.weightNorm
    }
    return weight > 0 ? (change / weight).squareRoot() : nil
  }
}

extension Name {
  /// The last part of the module's name: `q_proj` of `model.layers.0.self_attn.q_proj.weight`.
  var leafModule: String {
    let parts = text.split(separator: ".").dropLast()
    // `to_out.0` is the first of a module's parts.
    guard let last = parts.last, Int(last) != nil, parts.count > 1 else {
      return parts.last.map(String.init) ?? text
    }
    return parts.suffix(2).joined(separator: ".")
  }
}

extension [String] {
  /// Each once, in the order of first appearance.
  var unique: [String] {
    var seen = Set<String>()
    return filter { seen.insert($0).inserted }
  }
}

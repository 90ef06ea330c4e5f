internal import AdapterInsight
internal import Operations
internal import Storage
internal import StrictJSON

extension AdapterInsight.Finding {
  /// The finding for people.
  var sentence: String {
    switch self {
    case .untrained: "nothing is changed at all: was it trained?"
    case .concentrated(let layer, let share):
      "layer \(layer) holds \((share * 100).short) % of the change (of ‖ΔW‖²)"
    case .unusedRank(let rank, let effectiveRank, let targets):
      "rank \(rank) is used like rank \(effectiveRank.rounded().short) "
        + "(median effective rank of \(targets.of("weight")))"
    case .widerThanNeeded(let type, let needed, let tensors, let savedBytes):
      "\(tensors.of("tensor")) of \(type.rawValue) hold\(tensors == 1 ? "s" : "") only values of "
        + "\(needed.rawValue): \(ByteCount(savedBytes)) less without any loss"
    case .unusualScale(let scale, let rank, let targets):
      "scale \(scale.short) at rank \(rank) on \(targets.of("weight")) is unusual"
    case .wholeParameters(let names, let share):
      "parameters given whole take \((share * 100).short) % of the bytes: "
        + names.prefix(2).map(\.text).joined(separator: ", ")
        + (names.count > 2 ? " and \(names.count - 2) more" : "")
    @unknown default: code
    }
  }
}

internal import AdapterInsight
internal import Operations
internal import StrictJSON

extension AdapterDiff {
  /// The verdict in words: how alike the changes are, and which is stronger.
  var sentence: String {
    guard verdict == .differs else { return verdict.sentence }
    guard let total, let cosine = total.cosine, total.leftNorm > 0, total.rightNorm > 0 else {
      return verdict.sentence + missing
    }
    return "\(Self.likeness(cosine)) (cosine \(cosine.short)); "
      + Self.strength(total.rightNorm / total.leftNorm) + missing
  }

  private static func likeness(_ cosine: Double) -> String {
    switch cosine {
    case 0.99...: "nearly the same change"
    case 0.9...: "much alike"
    case 0.3...: "related"
    case 0.05...: "weakly related"
    case (-0.05)...: "unrelated"
    default: "opposed"
    }
  }

  private static func strength(_ ratio: Double) -> String {
    switch ratio {
    case 1.1...: "Y is \(ratio.rough) × as strong"
    case ..<(1 / 1.1): "X is \((1 / ratio).rough) × as strong"
    default: "equally strong"
    }
  }

  /// Parameters that one of them does not change.
  private var missing: String {
    let counts = [("X", targets(.onlyLeft).count), ("Y", targets(.onlyRight).count)]
    return counts.map { side, count in
      count == 0 ? "" : "; \(count.of("parameter")) only in \(side)"
    }.joined()
  }
}

extension SideDiff {
  /// The verdict on all: of a single pair, that pair's.
  var sentence: String {
    diffs.count == 1 && onlyLeft.isEmpty && onlyRight.isEmpty
      ? diffs[0].sentence : verdict.sentence
  }
}

extension Double {
  /// Two significant digits: nobody wants more of a ratio.
  fileprivate var rough: String {
    self >= 10 ? rounded().short : ((self * 10).rounded() / 10).short
  }
}

internal import StrictJSON

extension Name {
  /// Returns true if it comes before another, with numbers between dots as numbers: layer 2 before layer 10.
  func naturallyPrecedes(_ other: Name) -> Bool {
    let (mine, theirs) = (text.split(separator: "."), other.text.split(separator: "."))
    for (left, right) in zip(mine, theirs) where left != right {
      if let left = UInt64(left), let right = UInt64(right), left != right { return left < right }
      return Name(String(left)) < Name(String(right))
    }
    return mine.count == theirs.count ? self < other : mine.count < theirs.count
  }
}

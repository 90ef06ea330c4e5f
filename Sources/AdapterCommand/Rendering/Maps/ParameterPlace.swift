internal import StrictJSON

/// Where a parameter is in a model, by its name: `model.layers.3.self_attn.q_proj.weight` is `self_attn.q_proj`
/// of layer 3 of `model.layers`.
struct ParameterPlace: Hashable {
  /// The name of the module that holds the layers; nil for a parameter that is in none.
  let stack: String?
  /// The layer's number.
  let layer: Int?
  /// The module in its layer, further numbers in it (experts, say) as `*`; `weight` at the end is left out.
  let module: String

  init(_ name: Name) {
    var parts = name.text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    if parts.count > 1, parts.last == "weight" { parts.removeLast() }
    guard let place = parts.firstIndex(where: { $0.layerNumber != nil }), place < parts.count - 1
    else {
      (stack, layer, module) = (nil, nil, parts.joined(separator: "."))
      return
    }
    stack = parts[..<place].joined(separator: ".")
    layer = parts[place].layerNumber
    module = parts[(place + 1)...].map { $0.layerNumber == nil ? $0 : "*" }.joined(separator: ".")
  }
}

extension String {
  fileprivate var layerNumber: Int? {
    utf8.count <= 6 && utf8.allSatisfy { (48...57).contains($0) } ? Int(self) : nil
  }
}

extension [String] {
  /// As much of the end of each dotted name as tells them all apart: `q_proj`, or `attn.c_proj` beside
  /// `mlp.c_proj`.
  var shortened: [String] {
    let all = map { $0.split(separator: ".", omittingEmptySubsequences: false) }
    let longest = all.map(\.count).max() ?? 1
    for length in 1...Swift.max(1, longest) {
      let short = all.map { $0.suffix(length).joined(separator: ".") }
      if Set(short).count == Set(self).count { return short }
    }
    return self
  }
}

internal import Operations
internal import StrictJSON

/// RoAd (arXiv:2409.00119): pairs of outputs rotated, those of the bias too.
///
/// | PEFT | here |
/// |---|---|
/// | `M.road_theta`, `M.road_alpha`, `variant`, `group_size` | `rotate_output`, of the bias too |
extension PEFTMethod {
  static let road = PEFTMethod(
    type: "ROAD", title: "RoAd", parts: ["road_theta", "road_alpha"],
    fields: FieldRules(honoured: "group_size variant", noEffect: "init_weights"),
    read: { meaning, _ in try meaning.addRoAd() })
}

extension PEFTMeaning {
  fileprivate mutating func addRoAd() throws {
    guard let variant = config.text("variant").flatMap(RotateOutput.Variant.init) else {
      throw InteropError.field("variant", "is not road_1, road_2 or road_4")
    }
    let group = try config.count("group_size")
    for module in tensors.modules {
      try append(
        RotateOutput(
          target: module.weight, theta: try tensors.take("road_theta", of: module),
          alpha: try tensors.take("road_alpha", of: module), variant: variant, groupSize: group))
    }
  }
}

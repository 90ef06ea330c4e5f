internal import AdapterFormat
internal import Operations
internal import Storage
internal import StrictJSON

/// VeRA (arXiv:2310.11454) and PVeRA: low-rank changes whose two matrices all modules share.
///
/// | PEFT | here |
/// |---|---|
/// | `vera_A` [r, widest in], `vera_B` [longest out, r] | `a`, wide, and the first rows as `b` of every `add_low_rank` |
/// | `M.vera_lambda_d` [r] | its `diagonal` |
/// | `M.vera_lambda_b` [out] | its `row_scale` |
/// | `pvera_A` [2r, …], `M.pvera_lambda_d` [2r] | the first halves; the second are a variance |
extension PEFTMethod {
  static let vera = PEFTMethod(
    type: "VERA", title: "VeRA", parts: ["vera_lambda_b", "vera_lambda_d"],
    shared: ["vera_A", "vera_B"],
    fields: veraFields,
    read: { meaning, _ in try meaning.addVeRA("vera") })

  static let veraFields = FieldRules(
    honoured: "bias fan_in_fan_out r sample_at_inference save_projection",
    noEffect: """
      d_initial generator_seed init_weights projection_prng_key pvera_dropout vera_dropout
      """)
}

extension PEFTMeaning {
  /// Adds the changes of VeRA or PVeRA: `stem` is how the names of its tensors begin.
  mutating func addVeRA(_ stem: String) throws {
    let isProbabilistic = stem == "pvera"
    if isProbabilistic, try config.flag("sample_at_inference") {
      throw InteropError.unsupportedField(
        "sample_at_inference", value: "true", "its changes are drawn at random")
    }
    let rank = try config.count("r")
    guard let a = try tensors.shared(Name("\(stem)_A")),
      let b = try tensors.shared(Name("\(stem)_B"))
    else {
      throw InteropError.tensors(
        "no \(stem)_A and \(stem)_B: the file holds a seed of torch's generator; "
          + "save it with save_projection")
    }
    let width = a.shape.dimensions.last ?? 0
    let layouts = PEFTLayouts(config, tensors.modules.map(\.name))
    for module in tensors.modules {
      var weight = module.weight
      (weight.layout, weight.layoutSource) = layouts.layout(of: module.name)
      let rows = try tensors.take("\(stem)_lambda_b", of: module)
      var diagonal = try tensors.take("\(stem)_lambda_d", of: module)
      var left = TypedOperand(a)
      if isProbabilistic {
        guard diagonal.shape == [2 * rank], a.shape.dimensions == [2 * rank, width],
          let info = module.parts["\(stem)_lambda_d"]
        else {
          throw InteropError.tensors(
            "\(module.name): \(stem)_lambda_d is \(diagonal.shape), not 2 × r")
        }
        diagonal = TypedOperand(Operand(info.name, window: [0..<rank]), in: info)
        left = TypedOperand(Operand(a.name, window: [0..<rank, 0..<width]), in: a)
        tensors.noteUnused(
          info, window: [rank..<2 * rank], reason: "a variance, used in training only")
      }
      guard rows.shape.count == 1, b.shape.dimensions.count == 2, a.shape.dimensions.count == 2,
        rows.count <= b.shape.dimensions[0]
      else {
        throw InteropError.tensors(
          "\(module.name): \(stem)_B is \(b.shape), lambda_b \(rows.shape)")
      }
      var low = AddLowRank(
        target: weight, a: left,
        b: TypedOperand(
          Operand(b.name, window: [0..<rows.count, 0..<b.shape.dimensions[1]]), in: b), scale: 1)
      (low.diagonal, low.rowScale, low.isWide) = (diagonal, rows, true)
      try append(low)
    }
    if isProbabilistic {
      tensors.noteUnused(
        a, window: [rank..<2 * rank, 0..<width], reason: "a variance, used in training only")
    }
  }
}

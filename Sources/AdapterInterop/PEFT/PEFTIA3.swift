internal import Adapters
internal import Storage
internal import StrictJSON

/// IA3 (arXiv:2205.05638): learned factors of activations, which are factors of weights.
///
/// | PEFT | here |
/// |---|---|
/// | `M.ia3_l` [out, 1] | `multiply` on `M.weight`, output side, and the bias beside it |
/// | `M.ia3_l` [1, in], M in `feedforward_modules` | `multiply` on `M.weight`, input side |
/// | `M.ia3_l` [1, C, 1, 1] of a convolution | by `feedforward_modules` alone |
extension PEFTMeaning {
  mutating func addIA3() throws(InteropError) {
    let layouts = PEFTLayouts(config, tensors.modules.map(\.name))
    for module in tensors.modules {
      let vector = try tensors.take("ia3_l", of: module)
      let isFeedforward =
        config.covers("feedforward_modules", module.name, needsDot: false) ?? false
      if vector.shape.count == 2, vector.count != 1, isFeedforward != (vector.shape[0] == 1) {
        throw .tensors(
          "\(module.name): ia3_l is \(vector.shape), which is not what feedforward_modules says")
      }
      var target = Target(Name("\(module.name).weight"))
      (target.layout, target.layoutSource) = layouts.layout(of: module.name, vector.shape.count > 2)
      try append(
        Multiply(
          weight: target, vector: vector, side: isFeedforward ? .input : .output,
          scalesBias: !isFeedforward))
    }
  }
}

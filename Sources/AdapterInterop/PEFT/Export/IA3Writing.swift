internal import Operations
internal import Storage
internal import StrictJSON

extension PEFTWriting {
  /// IA3, of operations alone.
  ///
  /// | here | PEFT |
  /// |---|---|
  /// | `multiply` on the output side of `M.weight`, and the bias | `M.ia3_l` [out, 1] |
  /// | on the input side | `M.ia3_l` [1, in], M in `feedforward_modules` |
  /// | of a kernel | `M.ia3_l` [1, C, 1, …] |
  /// | `replace` | `modules_to_save` |
  static let ia3 = PEFTWriting(main: Multiply.op, others: [Replace.op]) {
    draft in
    var (outputs, inputs): ([Name], [Name]) = ([], [])
    var areTransposed = true
    var taken: Set<Name> = []
    for operation in draft.adapter.operations {
      guard let change = operation.as(Multiply.self) else { continue }
      guard let name = ParameterName(change.target.name), name.leaf == "weight" else {
        draft.lose(.effect, operation, "PEFT's IA3 scales weights of modules")
        continue
      }
      guard change.side == .input || change.scalesBias else {
        draft.lose(.effect, operation, "PEFT scales the bias along with the outputs of a weight")
        continue
      }
      guard taken.insert(name.module).inserted else {
        draft.lose(.effect, operation, "another one scales the same weight: multiply them first")
        continue
      }
      draft.add(PEFTDraft.key(name.module, "ia3_l"), change.vector, shape: change.shape)
      if change.side == .input { inputs.append(name.module) } else { outputs.append(name.module) }
      areTransposed = areTransposed && change.target.layout == .inOut
    }
    draft.fields.merge([
      "target_modules": .names(outputs + inputs),
      "feedforward_modules": feedforward(inputs, among: outputs),
      "fan_in_fan_out": .boolean(areTransposed), "init_ia3_weights": .boolean(true),
    ]) { $1 }
    draft.writeParameters(beside: taken, holdsBiases: false)
  }

  /// The modules whose inputs are scaled: a list, which PEFT compares by endings, or where one of the others ends
  /// alike, an expression for the whole name.
  private static func feedforward(_ inputs: [Name], among others: [Name]) -> JSONValue {
    let list = JSONValue.names(inputs)
    let coverage = PEFTCoverage(list, needsDot: false, MatchingWork())
    guard others.contains(where: { coverage.covers($0) == true }) else { return list }
    return .string(inputs.sorted().map(PEFTPattern.key).joined(separator: "|"))
  }
}

extension Multiply {
  /// v as PEFT shapes it.
  fileprivate var shape: [Int] {
    let rank = max(vector.shape.count, target.shape?.dimensions.count ?? 0)
    guard rank <= 2 else { return [1, vector.count] + Array(repeating: 1, count: rank - 2) }
    return side == .input ? [1, vector.count] : [vector.count, 1]
  }
}

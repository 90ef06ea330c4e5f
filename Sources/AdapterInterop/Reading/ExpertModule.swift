internal import Operations
internal import StrictJSON

/// One of the three matrices that every expert of a block has, under the names of transformers' checkpoints.
///
/// | | Mixtral | the others |
/// |---|---|---|
/// | the block's path ends in | `block_sparse_moe` | `mlp` |
/// | gate, up, down of expert e | `experts.e.w1`, `.w3`, `.w2` | `experts.e.gate_proj`, `.up_proj`, `.down_proj` |
/// | stacked | `experts.gate_up_proj`, `experts.down_proj` | the same |
struct ExpertModule: Hashable {
  /// `model.layers.0.mlp`.
  let block: String
  let role: Role

  enum Role: String, CaseIterable {
    case gate
    case up
    case down
  }

  /// The stack of mlx-lm at a path, `model.layers.0.mlp.switch_mlp.gate_proj`.
  init?(mlx path: String) {
    let parts = path.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard parts.count > 2, ["switch_mlp", "switch_glu"].contains(parts[parts.count - 2]),
      let role = Role.allCases.first(where: { $0.projection == parts.last })
    else { return nil }
    self.init(block: parts.dropLast(2).joined(separator: "."), role: role)
  }

  init(block: String, role: Role) { (self.block, self.role) = (block, role) }

  private static func leaf(_ role: Role, in block: String) -> String {
    guard block.hasSuffix("block_sparse_moe") else { return role.projection }
    return switch role {
    case .gate: "w1"
    case .up: "w3"
    case .down: "w2"
    }
  }

  /// Returns the name of one expert's weight in transformers' checkpoints.
  func weight(of expert: Int) -> Name {
    Name("\(block).experts.\(expert).\(Self.leaf(role, in: block)).weight")
  }

  /// The parameter of transformers' model, since version 5, that holds it.
  var stack: Name {
    let mixtral = "block_sparse_moe"
    let path = block.hasSuffix(mixtral) ? block.dropLast(mixtral.count) + "mlp" : block
    return Name("\(path).experts.\(role == .down ? "down_proj" : "gate_up_proj")")
  }

  /// The path that the block would have in a file of Mixtral.
  var blockOfMixtral: String {
    block.hasSuffix(".mlp") ? block.dropLast("mlp".count) + "block_sparse_moe" : block
  }

  /// The path of the stack in mlx-lm.
  var mlxPath: String { "\(block).switch_mlp.\(role.projection)" }

  /// The matrix that a weight is, and of which expert; nil for one that is not of an expert.
  static func split(_ weight: Name) -> (module: ExpertModule, expert: Int)? {
    let parts = weight.text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard parts.count > 4, parts.last == "weight", parts[parts.count - 4] == "experts",
      let expert = Int(parts[parts.count - 3]), expert >= 0
    else { return nil }
    let block = parts.dropLast(4).joined(separator: ".")
    guard let role = Role.allCases.first(where: { leaf($0, in: block) == parts[parts.count - 2] })
    else { return nil }
    return (ExpertModule(block: block, role: role), expert)
  }

  /// The matrices that a stacked parameter holds one above the other; nil for one that is not such.
  static func stacked(_ parameter: Name) -> [ExpertModule]? {
    let text = parameter.text
    for (ending, roles) in [
      (".experts.gate_up_proj", [Role.gate, .up]), (".experts.down_proj", [.down]),
    ]
    where text.hasSuffix(ending) {
      let block = String(text.dropLast(ending.count))
      return roles.map { ExpertModule(block: block, role: $0) }
    }
    return nil
  }
}

extension ExpertModule.Role {
  /// Its name in all families but Mixtral.
  var projection: String { "\(rawValue)_proj" }
}

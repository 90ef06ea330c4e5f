internal import Storage
public import StrictJSON

/// Experts that a model keeps in one stacked parameter and a checkpoint in many tensors, or the other
/// way round.
///
/// | stacked | one by one |
/// |---|---|
/// | `….mlp.experts.gate_up_proj` [E, 2 · I, H] | `….mlp.experts.e.gate_proj.weight`, `….up_proj.weight`, [I, H] each |
/// | `….mlp.experts.down_proj` [E, H, I] | `….mlp.experts.e.down_proj.weight` [H, I] |
/// | the same of Mixtral | `….block_sparse_moe.experts.e.w1.weight`, `….w3.weight`; `….w2.weight` |
public enum ExpertViews {
  /// A stored tensor that is a part of a stacked parameter.
  public struct Part: Sendable, Hashable {
    /// The tensor.
    public let stored: Name
    /// Which expert.
    public let expert: Int
    /// Which of its rows.
    public let rows: Range<Int>
  }

  private struct Family {
    let stack: String
    let experts: String
    /// For each stacked parameter the leaves that make up its rows, top to bottom.
    let leaves: [(parameter: String, leaves: [String])]
  }

  private static let families = [
    Family(
      stack: "mlp.experts", experts: "mlp.experts",
      leaves: [("gate_up_proj", ["gate_proj", "up_proj"]), ("down_proj", ["down_proj"])]),
    Family(
      stack: "mlp.experts", experts: "block_sparse_moe.experts",
      leaves: [("gate_up_proj", ["w1", "w3"]), ("down_proj", ["w2"])]),
  ]

  /// The stored tensors that make up a stacked parameter [experts, rows, columns]; nil where the
  /// checkpoint does not store it so.
  public static func parts(
    of parameter: Name, experts: Int, rows: Int, columns: Int, in checkpoint: Checkpoint
  ) -> [Part]? {
    for family in families {
      for (name, leaves) in family.leaves {
        let suffix = Name("\(family.stack).\(name)")
        guard parameter.hasSuffix(suffix), rows.isMultiple(of: leaves.count) else { continue }
        let start = parameter.dropLast(suffix.text.utf8.count).text + family.experts
        let count = rows / leaves.count
        // The number of experts is the adapter's word: the last one must be there before they are listed.
        let last = Name("\(start).\(experts - 1).\(leaves[0]).weight")
        guard checkpoint.tensor(last) != nil, experts <= checkpoint.names.count else { continue }
        let parts = (0..<experts).flatMap { expert in
          leaves.enumerated().map { index, leaf in
            Part(
              stored: Name("\(start).\(expert).\(leaf).weight"), expert: expert,
              rows: index * count..<(index + 1) * count)
          }
        }
        let areThere = parts.allSatisfy {
          checkpoint.tensor($0.stored)?.info.shape.dimensions == [count, columns]
        }
        if areThere { return parts }
      }
    }
    return nil
  }

  /// The stacked tensor that holds one expert's weight [rows, columns], and its rows there, the stack
  /// seen as one matrix; nil where the checkpoint does not store it so.
  public static func region(
    of weight: Name, rows: Int, columns: Int, in checkpoint: Checkpoint
  ) -> (stored: Name, rows: Range<Int>)? {
    for family in families {
      guard let (start, expert, leaf) = split(weight, family.experts) else { continue }
      for (name, leaves) in family.leaves {
        guard let index = leaves.firstIndex(of: leaf) else { continue }
        let stored = Name("\(start)\(family.stack).\(name)")
        guard let shape = checkpoint.tensor(stored)?.info.shape.dimensions, shape.count == 3,
          expert < shape[0], shape[1] == rows * leaves.count, shape[2] == columns
        else { continue }
        let first = expert * shape[1] + index * rows
        return (stored, first..<first + rows)
      }
    }
    return nil
  }

  /// `START experts.E.LEAF.weight` in its parts.
  private static func split(
    _ weight: Name, _ experts: String
  ) -> (start: String, expert: Int, leaf: String)? {
    let parts = weight.text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard parts.count > 3, parts.last == "weight", let expert = Int(parts[parts.count - 3]),
      expert >= 0
    else { return nil }
    let before = parts.dropLast(3).joined(separator: ".")
    guard before == experts || Name(before).hasSuffix(Name("." + experts)) else { return nil }
    return (String(before.dropLast(experts.count)), expert, parts[parts.count - 2])
  }
}

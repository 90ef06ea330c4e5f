internal import Storage
package import StrictJSON

/// Experts that a model keeps in one stacked parameter and a checkpoint in many tensors, or the other way
/// round.
///
/// | stacked | one by one |
/// |---|---|
/// | `….mlp.experts.gate_up_proj` [E, 2 · I, H] | `….mlp.experts.e.gate_proj.weight`, `….up_proj.weight`, [I, H] each |
/// | `….mlp.experts.down_proj` [E, H, I] | `….mlp.experts.e.down_proj.weight` [H, I] |
/// | the same of Mixtral | `….block_sparse_moe.experts.e.w1.weight`, `….w3.weight`; `….w2.weight` |
package struct ExpertStack: Sendable {
  /// The end of the stacked parameter's name.
  private let stack: Name
  /// The same where the experts' path in files is another.
  private let stackInFiles: Name
  /// The end of the path below which the experts lie one by one.
  private let experts: Name
  /// The leaves that make up its rows, top to bottom.
  private let leaves: [Name]

  /// A stored tensor that is a part of a stacked parameter.
  package struct Part: Sendable, Hashable {
    /// The tensor.
    package let stored: Name
    /// Which expert.
    package let expert: Int
    /// Which of its rows.
    package let rows: Range<Int>
  }

  /// Reads the stack's name, the experts' path, and the leaves.
  init?(_ texts: [Name]) {
    guard texts.count > 2 else { return nil }
    (stack, experts, leaves) = (texts[0], texts[1], Array(texts[2...]))
    stackInFiles = Name("\(experts).\(stack.lastPart)")
  }

  /// The stored tensors that make up a stacked parameter [experts, rows, columns]; nil where the
  /// checkpoint does not store it so.
  package func parts(
    of parameter: Name, experts count: Int, rows: Int, columns: Int, in checkpoint: Checkpoint
  ) -> [Part]? {
    guard let suffix = [stack, stackInFiles].first(where: parameter.hasSuffix),
      rows.isMultiple(of: leaves.count)
    else { return nil }
    let start = parameter.dropLast(suffix.text.utf8.count).text + experts.text
    let height = rows / leaves.count
    // The number of experts is the adapter's word: the last one must be there before they are listed.
    let last = Name("\(start).\(count - 1).\(leaves[0]).weight")
    guard checkpoint.tensor(last) != nil, count <= checkpoint.names.count else { return nil }
    let parts = (0..<count).flatMap { expert in
      leaves.enumerated().map { index, leaf in
        Part(
          stored: Name("\(start).\(expert).\(leaf).weight"), expert: expert,
          rows: index * height..<(index + 1) * height)
      }
    }
    let areThere = parts.allSatisfy {
      checkpoint.tensor($0.stored)?.info.shape.dimensions == [height, columns]
    }
    return areThere ? parts : nil
  }

  /// The stacked tensor that holds one expert's weight [rows, columns], and its rows there, the stack
  /// seen as one matrix; nil where the checkpoint does not store it so.
  package func region(
    of weight: Name, rows: Int, columns: Int, in checkpoint: Checkpoint
  ) -> (stored: Name, rows: Range<Int>)? {
    guard let (start, expert, leaf) = split(weight), let index = leaves.firstIndex(of: leaf) else {
      return nil
    }
    let stored = Name("\(start)\(stack)")
    guard let shape = checkpoint.tensor(stored)?.info.shape.dimensions, shape.count == 3,
      expert < shape[0], shape[1] == rows * leaves.count, shape[2] == columns
    else { return nil }
    let first = expert * shape[1] + index * rows
    return (stored, first..<first + rows)
  }

  /// `START experts.E.LEAF.weight` in its parts.
  private func split(_ weight: Name) -> (start: String, expert: Int, leaf: Name)? {
    let parts = weight.text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard parts.count > 3, parts.last == "weight", let expert = Int(parts[parts.count - 3]),
      expert >= 0
    else { return nil }
    let before = Name(parts.dropLast(3).joined(separator: "."))
    guard before == experts || before.hasSuffix(Name(".\(experts)")) else { return nil }
    return (before.dropLast(experts.text.utf8.count).text, expert, Name(parts[parts.count - 2]))
  }
}

extension Checkpoint {
  /// The stacks of experts that its family has; those of all families where none is known of its own.
  package var expertStacks: [ExpertStack] {
    let own = family?.stacks ?? []
    return own.isEmpty ? AnyFamily.stacks : own
  }
}

internal import AdapterFormat
internal import AdapterInsight
internal import Checkpoints
internal import Operations
internal import Storage
internal import StrictJSON

/// The changes of all adapters of a stack, tensor by tensor, each with its weight (Spec/adp-v1.md,
/// 8.21).
struct StackCombination {
  private(set) var tensors: [AdaptedTensor] = []

  /// The change that one adapter makes to a tensor.
  struct Share {
    /// Its place in the stack.
    let owner: Int
    let tensor: AdaptedTensor
  }

  init(_ stack: [AppliedAdapter]) throws {
    if stack.count == 1, stack[0].weight == 1 {
      // As it was bound: nothing to weigh, nothing to clash with.
      tensors = stack[0].bound.tensors
      return
    }
    var shares: [Name: [Share]] = [:]
    for (owner, member) in stack.enumerated() where member.weight != 0 {
      for tensor in member.bound.tensors {
        shares[tensor.info.name, default: []].append(Share(owner: owner, tensor: tensor))
      }
    }
    Self.followUntied(&shares)
    let members = stack.map { StackedParameter.Member(label: $0.label, weight: $0.weight) }
    for name in shares.keys.sorted() {
      var parameter = StackedParameter(name, members)
      for share in shares[name] ?? [] { try parameter.append(share) }
      if let tensor = try parameter.tensor() { tensors.append(tensor) }
    }
  }

  /// Where one adapter parts two parameters that shared a tensor, the changes of the others, which are for
  /// both, go to the copy too.
  private static func followUntied(_ shares: inout [Name: [Share]]) {
    for (name, own) in shares {
      let parted = own.lazy.filter { $0.tensor.kind == .created }.compactMap(\.tensor.origin).first
      guard let parted, parted.info.name != name, let others = shares[parted.info.name] else {
        continue
      }
      let owners = Set(own.map(\.owner))
      let copy = own[0].tensor
      let missing = others.filter { !owners.contains($0.owner) }.map { share in
        Share(
          owner: share.owner,
          tensor: AdaptedTensor(
            info: copy.info, origin: parted, kind: .created, operations: share.tensor.operations))
      }
      shares[name] = (own + missing).sorted { $0.owner < $1.owner }
    }
  }
}

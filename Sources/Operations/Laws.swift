package import Storage

/// How an operation behaves beside others and on a base: what binding, ties, stacks and the engine ask.
package struct Laws: Sendable {
  /// The effect on the values that were there before.
  package let manner: Manner
  /// Elements of the bias beside its target, where it changes that too; nil where it does not.
  package var biasCount: Int?
  /// Tiles begin at multiples of this many rows.
  package var rowAlignment = 1
  /// How it stands to parameters that are stacks of weights.
  package var stacks = Stacks.none
  /// The treatment of a base that does not have the parameter.
  package var absence = Absence.refuse
  /// True if it changes nothing, whatever its numbers.
  package var isIdle = false
  /// The operand and the value of its elements with which it changes nothing, and the factor before it; nil where the
  /// operands alone do not tell.
  package var neutral: Neutral?
  /// SHA-256 of the parameter's bytes afterwards, on the base that it was made for.
  package var result: Digest?
  /// True if another axis of experts, or a part of a stacked weight, may hold its target: binding looks for those only
  /// for operations that can be cut.
  package var canBeCut = false

  package init(_ manner: Manner) { self.manner = manner }

  /// The effect of an operation on the values that were there before.
  package enum Manner: Sendable, Hashable {
    /// W ← W + Δ, where Δ does not depend on what came before: a factor w makes w · Δ of it.
    case adds
    /// W ← f(W): a factor w blends, W + w · (f(W) − W).
    case transforms
    /// W turned: half of a rotation is not one, and two do not commute.
    case rotates
    /// p ← value, the operand.
    case replaces(TypedOperand)
    /// These rows of p ← values, the operand.
    case replacesRows([Int], TypedOperand)
    /// p ← the bits that it had before a change.
    case restores
    /// Nothing in the base: it comes before what the model reads.
    case precedes(Prompt)
  }

  /// How an operation stands to a parameter that is a stack of weights.
  package enum Stacks: Sendable, Hashable {
    /// It is not for one.
    case none
    /// It sees the parameter as one.
    case sees
    /// It does not matter to it.
    case any
  }

  /// The treatment of a base that does not have the parameter.
  package enum Absence: Sendable, Hashable {
    /// It is not the right base.
    case refuse
    /// The operation is left out.
    case skip
    /// The parameter is made, of this type and shape.
    case make(ElementType, [Int])
    /// A bias of so many zeros is made, where the user allows it.
    case makeBias(Int)
  }

  /// With which elements of an operand an operation changes nothing.
  package struct Neutral: Sendable {
    /// The operand.
    package let operand: TypedOperand
    /// The value of all of its elements.
    package let value: Value
    /// The factor before it: with 0 the operation changes nothing either.
    package var scale = 1.0

    /// A value with which operations change nothing.
    package enum Value: Sendable, Hashable {
      case zero
      case one
    }
  }
}

extension Laws.Manner {
  /// True if it sets values, whatever was there.
  package var isReplacement: Bool {
    switch self {
    case .replaces, .replacesRows, .restores: true
    case .adds, .transforms, .rotates, .precedes: false
    }
  }

  /// True if a change under one name of a tensor is meant for its other names too.
  package var isForAllNames: Bool {
    switch self {
    case .replacesRows, .restores: true
    case .adds, .transforms, .rotates, .replaces, .precedes: false
    }
  }

  /// The prompt that comes before what the model reads; nil for an operation on a parameter.
  package var prompt: Prompt? {
    guard case .precedes(let prompt) = self else { return nil }
    return prompt
  }

  /// The operand that holds the whole parameter's value; nil where there is none.
  package var value: TypedOperand? {
    guard case .replaces(let value) = self else { return nil }
    return value
  }
}

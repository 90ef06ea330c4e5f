internal import StrictJSON
package import Storage

// How an operation's formula sees its weight.

extension Operation {
  /// The shape of the weight as a matrix [out, in], of a stack as [experts, out, in], of anything else as
  /// stored; nil where only a base knows it.
  package var logicalShape: Shape? {
    guard let kind else { return nil }
    let dimensions: [Int]
    switch kind.extent {
    case .matrix(let output?, let input?, _, _, _, _): dimensions = [output, input]
    case .experts(let count, let output, let input): dimensions = [count, output, input]
    case .elements(let count):
      let stored = target?.shape?.dimensions ?? []
      dimensions =
        stored.count >= 2 ? [stored[0], stored.dropFirst().reduce(1, *)] : [count]
    case .matrix, .axis, .tensor, .rows:
      guard let target, let shape = target.shape?.dimensions, shape.count >= 2 else { return nil }
      let matrix = [shape[0], shape.dropFirst().reduce(1, *)]
      dimensions = target.layout == .inOut ? matrix.reversed() : matrix
    }
    return Shape(dimensions.map { UInt64($0) })
  }

  /// A convolution's [in, k, …], where the operands show one.
  package var kernel: [Int] {
    if case .matrix(_, _, let kernel, _, _, _)? = kind?.extent { kernel } else { [] }
  }

  /// How the formula takes the weight to be stored; nil where that does not matter, or is not known yet.
  package var decidedLayout: Layout? {
    guard let target else { return nil }
    if let layout = target.layout { return layout == .unresolved ? nil : layout }
    // An operation without a layout is for weights as they are stored.
    switch kind?.extent {
    case .matrix, .experts: return .outIn
    case .elements: return (target.shape?.dimensions.count ?? 0) >= 2 ? .outIn : nil
    case .axis, .tensor, .rows, nil: return nil
    }
  }

  /// Itself with its weight stored as the formulas have it, so that its change is the logical one.
  package var inLogicalLayout: Operation {
    guard var target, target.layout != nil else { return self }
    target.layout = .outIn
    return with(target)
  }
}

extension Target {
  /// The layout, which a base has decided by now.
  func decidedLayout() throws(AdapterError) -> Layout {
    guard let layout, layout != .unresolved else {
      throw AdapterError(.misuse, on: name, "a layout that nothing has decided")
    }
    return layout
  }
}

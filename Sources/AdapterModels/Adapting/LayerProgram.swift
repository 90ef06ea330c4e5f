internal import Operations

/// The steps by which a stack of adapters changes the outputs of one linear layer, in order.
///
/// With f₀(x) = W x, an addition makes f₊(x) = f(x) + s · B A x, a scaling of outputs v ⊙ f(x), one of inputs
/// f(v ⊙ x): so a step sees x times all scalings of inputs that come after it.
struct LayerProgram: Sendable {
  /// The factors for the weight's inputs; nil for none.
  private(set) var inputScale: [Float]?
  private var steps: [Step] = []

  private struct Step: Sendable {
    let action: Action
    var inputScale: [Float]?
  }

  private enum Action: Sendable {
    /// y ← y + scale · B A x.
    case add(LayerForm.Factors, scale: Float)
    /// y ← (1 − w + w c) ⊙ y + w c ⊙ scale · B A x: a factor w of DoRA's change, c its m / n.
    case renorm(LayerForm.Factors, gain: [Float], factor: Float)
    /// y ← v ⊙ y.
    case scale([Float])
  }

  /// Adds an operation with the factor that its adapter has.
  mutating func append(_ action: PreparedAdapter.LayerAction, factor: Float) {
    switch action {
    case .form(.lowRank(let factors)):
      steps.append(Step(action: .add(factors, scale: factors.scale * factor)))
    case .renorm(let factors, let gain):
      steps.append(Step(action: .renorm(factors, gain: gain, factor: factor)))
    case .form(.scaleOutput(let vector)):
      steps.append(Step(action: .scale(Self.scaled(vector, by: factor))))
    case .form(.scaleInput(let vector)):
      let vector = Self.scaled(vector, by: factor)
      inputScale = Self.product(inputScale, vector)
      for index in steps.indices {
        steps[index].inputScale = Self.product(steps[index].inputScale, vector)
      }
    }
  }

  /// 1 + w (v − 1).
  private static func scaled(_ vector: [Float], by factor: Float) -> [Float] {
    factor == 1 ? vector : vector.map { 1 + factor * ($0 - 1) }
  }

  private static func product(_ left: [Float]?, _ right: [Float]) -> [Float] {
    guard let left else { return right }
    return zip(left, right).map { $0 * $1 }
  }

  /// Changes the outputs of the layer's weight.
  ///
  /// - Parameters:
  ///   - x: the layer's inputs, not scaled.
  ///   - y: its outputs without bias.
  ///   - workspace: of the pass.
  func run(_ x: FloatRows, _ y: FloatRows, _ workspace: Workspace) {
    for step in steps {
      workspace.scope {
        switch step.action {
        case .scale(let vector):
          for row in 0..<y.count { unsafe y[row].multiply(by: vector) }
        case .add(let factors, let scale):
          Self.add(factors, scale, Self.scaled(x, step.inputScale, workspace), y, workspace)
        case .renorm(let factors, let gain, let factor):
          let product = workspace.rows(y.count, y.width)
          unsafe product.elements.update(repeating: 0)
          let input = Self.scaled(x, step.inputScale, workspace)
          Self.add(factors, factors.scale, input, product, workspace)
          for row in 0..<y.count {
            let (values, change) = unsafe (y[row], product[row])
            for index in 0..<values.count {
              let share = factor * gain[index]
              unsafe values[index] = (1 - factor + share) * values[index] + share * change[index]
            }
          }
        }
      }
    }
  }

  private static func scaled(
    _ x: FloatRows, _ factors: [Float]?, _ workspace: Workspace
  ) -> FloatRows {
    guard let factors else { return x }
    let result = workspace.rows(x.count, x.width)
    result.copy(from: x)
    for row in 0..<x.count { unsafe result[row].multiply(by: factors) }
    return result
  }

  /// Products with few rows are made here, others by a matrix product.
  private static let fewRows = 6

  /// y ← y + scale · B A x for every row.
  private static func add(
    _ factors: LayerForm.Factors, _ scale: Float, _ x: FloatRows, _ y: FloatRows,
    _ workspace: Workspace
  ) {
    let rank = factors.rank
    guard rank > 0, scale != 0 else { return }
    let inner = workspace.rows(x.count, rank)
    unsafe factors.a.withUnsafeBufferPointer { a in
      unsafe factors.transposedB.withUnsafeBufferPointer { b in
        guard let a = a.baseAddress, let b = b.baseAddress else { return }
        if x.count <= fewRows {
          for row in 0..<x.count {
            guard let input = unsafe x[row].baseAddress, let output = unsafe y[row].baseAddress
            else { return }
            for k in 0..<rank {
              let part = unsafe DotProducts.dot(a + k * x.width, input, x.width)
              unsafe DotProducts.add(b + k * y.width, times: scale * part, to: output, y.width)
            }
          }
          return
        }
        unsafe multiply(x, a, b, scale, inner, y)
      }
    }
  }

  private static func multiply(
    _ x: FloatRows, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ scale: Float,
    _ inner: FloatRows, _ y: FloatRows
  ) {
    let size = 64
    WorkerPool.shared.run((x.count + size - 1) / size) { block in
      let rows = block * size..<min((block + 1) * size, x.count)
      guard let input = unsafe x[rows].elements.baseAddress,
        let middle = unsafe inner[rows].elements.baseAddress,
        let output = unsafe y[rows].elements.baseAddress
      else { return }
      unsafe middle.update(repeating: 0, count: rows.count * inner.width)
      let down = MatrixProduct(
        rows: rows.count, columns: inner.width, inner: x.width, a: (false, x.width),
        b: (true, x.width))
      unsafe Float.multiplyAdd(down, input, a, scale: 1, into: middle)
      let up = MatrixProduct(
        rows: rows.count, columns: y.width, inner: inner.width, a: (false, inner.width),
        b: (false, y.width))
      unsafe Float.multiplyAdd(up, middle, b, scale: scale, into: output)
    }
  }
}

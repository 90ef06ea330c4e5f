internal import Operations
internal import StrictJSON

/// The function between two layers of a feed-forward part.
enum Activation: Sendable {
  case tanhGELU
  case exactGELU
  case relu

  init(_ config: DecoderConfig, _ key: Name) throws {
    switch try config.text(key) ?? "gelu_new" {
    case "gelu_new", "gelu_pytorch_tanh", "gelu_fast": self = .tanhGELU
    case "gelu": self = .exactGELU
    case "relu": self = .relu
    case let name: throw AdapterError.config(config.path, "activation \(name) cannot be run here")
    }
  }

  /// In place.
  func apply(to rows: FloatRows) {
    switch self {
    case .tanhGELU: Functions.tanhGELU(rows)
    case .exactGELU: Functions.exactGELU(rows)
    case .relu: Functions.relu(rows)
    }
  }
}

extension UnsafeMutableBufferPointer<Float> {
  /// As many elements as there is room for, from a place of another row on.
  func copy(from row: UnsafeMutableBufferPointer<Float>, at start: Int) {
    precondition(start >= 0 && start + count <= row.count)
    guard let target = baseAddress, let source = row.baseAddress else { return }
    unsafe target.update(from: source + start, count: count)
  }
}

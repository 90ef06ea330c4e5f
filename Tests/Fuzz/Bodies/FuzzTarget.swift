import TestSupport

/// A reader of untrusted bytes under test, by the name that `.ci/fuzz` takes.
package enum FuzzTarget: String, CaseIterable, Sendable {
  /// `.adp` files.
  case container
  /// JSON in the strict profile.
  case json
  /// safetensors files.
  case safetensors
  /// PEFT adapters: a configuration and the header of the weights.
  case peft
  /// Shard indexes and model configurations.
  case index
  /// `.adp` files, each with the header of a base.
  case pair
  /// What is done to the folder of a merge that was begun.
  case job
  /// GGUF adapters.
  case gguf
  /// Adapters of ONNX Runtime.
  case onnx
  /// Bases whose weights are quantised: a configuration and a safetensors file.
  case quantised

  /// Reads the bytes and does with them whatever a program could.
  ///
  /// - Returns: whether they were accepted.
  /// - Throws: `BrokenProperty` where what was accepted does not keep a promise.
  @discardableResult
  package func run(_ bytes: [UInt8]) throws(BrokenProperty) -> Bool {
    switch self {
    case .container: try ContainerBody.run(bytes)
    case .json: try JSONBody.run(bytes)
    case .safetensors: try SafetensorsBody.run(bytes)
    case .peft: try PEFTBody.run(bytes)
    case .index: try IndexBody.run(bytes)
    case .pair: try PairBody.run(bytes)
    case .job: try JobBody.run(bytes)
    case .gguf: try GGUFBody.run(bytes)
    case .onnx: try ONNXBody.run(bytes)
    case .quantised: try QuantisedBody.run(bytes)
    }
  }

  /// Changes an input so that it still has the target's form, as far as it had it.
  ///
  /// - Returns: the new input, at most `limit` bytes; nil where the change did not work out.
  package func mutate(_ bytes: [UInt8], limit: Int, seed: UInt64) -> [UInt8]? {
    var random = SeededGenerator(seed: seed)
    let result: [UInt8]? =
      switch self {
      case .container: ContainerMutation.mutate(bytes, &random)
      case .json, .index: JSONMutation.mutate(bytes, &random)
      case .safetensors: SafetensorsMutation.mutate(bytes, limit: limit, &random)
      case .peft: PEFTMutation.mutate(bytes, &random)
      case .pair: PairMutation.mutate(bytes, &random)
      case .job: JobMutation.mutate(bytes, &random)
      case .gguf: GGUFMutation.mutate(bytes, &random)
      case .onnx: BinaryMutation.mutate(bytes, &random)
      case .quantised: QuantisedMutation.mutate(bytes, limit: limit, &random)
      }
    return result.flatMap { $0.count <= limit ? $0 : nil }
  }
}

/// A promise that an accepted input does not keep.
package struct BrokenProperty: Error, CustomStringConvertible {
  /// Which, and how.
  package let description: String

  init(_ description: String) {
    self.description = description
  }

  /// Runs what must not fail for an accepted input.
  @discardableResult
  static func unlessHolds<Value, Failure: Error>(
    _ promise: String, _ body: () throws(Failure) -> Value
  ) throws(BrokenProperty) -> Value {
    do throws(Failure) {
      return try body()
    } catch {
      throw BrokenProperty("\(promise): \(error)")
    }
  }

  /// Says that something must be true of an accepted input.
  static func unless(_ isKept: Bool, _ promise: String) throws(BrokenProperty) {
    guard isKept else { throw BrokenProperty(promise) }
  }
}

extension SeededGenerator {
  /// True once in `count` calls.
  mutating func oneIn(_ count: Int) -> Bool { Int.random(in: 0..<count, using: &self) == 0 }
}

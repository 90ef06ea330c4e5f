import AdapterFormat
import AdapterRuntime
import Checkpoints
import Operations
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// Merges into quantised bases, whose parameters become floats: as into a base of the values that the scheme's library
/// gives (`Fixtures/makers/quantised.py`).
@Suite struct DequantiseTests {
  private static func folder(_ name: String) -> FilePath {
    Repository.fixtures.appending("quantised").appending(name)
  }

  static let names = Repository.files(
    below: Repository.fixtures.appending("quantised"), suffix: "values.safetensors"
  ).compactMap { $0.removingLastComponent().lastComponent?.string }

  /// A LoRA on the first parameter of a base.
  private func adapter(for parameter: TensorInfo) throws -> Adapter {
    let shape = parameter.shape.dimensions
    let isConv1D = parameter.name.text.hasPrefix("transformer.")
    let (first, last) = (shape[shape.count - 2], shape[shape.count - 1])
    let (rows, columns) = isConv1D ? (last, first) : (first, last)
    func tensor(_ name: Name, _ dimensions: [Int]) throws -> TensorContents {
      let shape = try #require(Shape(dimensions.map(UInt64.init)))
      let values = (0..<shape.count).map { Float($0 % 7 - 3) / 64 }
      return TensorContents(
        TensorInfo(name: name, type: .f32, shape: shape),
        bytes: MemoryBytes(HandMadeCheckpoint.bytes(values)), offset: 0)
    }
    let (a, b) = (try tensor("a", [2, columns]), try tensor("b", [rows, 2]))
    var low = AddLowRank(
      target: Target(parameter.name, layout: isConv1D ? .inOut : .outIn, layoutSource: .sure),
      a: TypedOperand(a.info), b: TypedOperand(b.info), scale: 0.5)
    if shape.count == 3 {
      // Of a stack of experts, each its own.
      let (a, b) = (
        try tensor("a", [shape[0], columns]), try tensor("b", [rows, shape[0]])
      )
      low = AddLowRank(
        target: low.target, a: TypedOperand(a.info), b: TypedOperand(b.info), scale: 0.5)
      low.experts = shape[0]
      return adapter(low, [a, b])
    }
    return adapter(low, [a, b])
  }

  private func adapter(_ low: AddLowRank, _ tensors: [TensorContents]) -> Adapter {
    Adapter(
      name: "default", method: "lora", operations: (try? [Operation(low)]) ?? [], inert: [],
      source: nil, files: [], base: nil, tensors: tensors)
  }

  @Test(arguments: names) func aMergeIsOneIntoTheLibrarysValues(_ name: String) throws {
    let folder = Self.folder(name)
    let base = try Checkpoint(folder).dequantised()
    let values = try Checkpoint(folder.appending("values.safetensors"))
    let adapter = try adapter(for: base.decoded[0].info)
    let ours = try AdaptedCheckpoint(base, applying: [WeightedAdapter(adapter)], as: .bf16)
    let theirs = try AdaptedCheckpoint(values, applying: [WeightedAdapter(adapter)], as: .bf16)
    #expect(ours.changedNames == theirs.changedNames && ours.changedNames.count == 1)
    for stored in values.tensors {
      #expect(
        try ours.contents(of: stored.info.name) == theirs.contents(of: stored.info.name),
        "\(stored.info.name)")
    }
  }

  /// The written folder has floats under the parameters' names, and a configuration that says nothing else.
  @Test(arguments: ["nf4_double", "fp8_blocks", "gptq", "packed_int4", "mxfp4"])
  func whatIsWrittenIsAFloatModel(_ name: String) throws {
    let base = try Checkpoint(Self.folder(name)).dequantised()
    let adapter = try adapter(for: base.decoded[0].info)
    let view = try AdaptedCheckpoint(base, applying: [WeightedAdapter(adapter)])
    let folder = try TemporaryFolder()
    let path = folder.appending("out")
    let receipt = try Merge(view).write(to: path, replacing: false)
    let merged = try Checkpoint(path)
    #expect(Set(merged.names) == Set(base.names) && merged.quantisedParameters.isEmpty)
    for tensor in merged.tensors where tensor.info.name != "model.norm.weight" {
      #expect(tensor.info.type == .bf16)
      #expect(try tensor.contents() == view.contents(of: tensor.info.name))
    }
    let config = String(decoding: try path.appending("config.json").contents, as: UTF8.self)
    #expect(!config.contains("quant") && config.contains("\"torch_dtype\": \"bfloat16\""))
    #expect(receipt.quantised.map(\.parameterCount) == [base.decoded.count])
    #expect(receipt.omittedTensorCount == base.omitted.count)
    let verification = try MergeVerification(of: merged, as: view)
    #expect(verification.tensors.allSatisfy { [.identical, .untouched].contains($0.kind) })
  }

  /// Without being asked, nothing is decoded, and a quantised target is refused with the way out.
  /// A scale that is no number spoils a block, of what an adapter changes and of what none does.
  @Test(
    arguments: [
      ("nf4", ".absmax"), ("fp8_channel", "_scale"), ("gptq", ".scales"), ("int8", "SCB"),
    ],
    [true, false])
  func aScaleThatIsNotFiniteIsRefused(_ base: (name: String, scale: String), _ isChanged: Bool)
    throws
  {
    let source = try Checkpoint(Self.folder(base.name))
    let folder = try TemporaryFolder()
    var file = HandMadeCheckpoint()
    let parameter = try source.dequantised().decoded[isChanged ? 0 : 1].info
    let module = parameter.name.text.dropLast("weight".count)
    for tensor in source.tensors {
      let name = tensor.info.name.text
      var bytes = try tensor.contents()
      if name.hasPrefix(module), name.hasSuffix(base.scale) {
        for index in 0..<tensor.info.type.bitWidth / 8 { bytes[index] = 0xFF }
      }
      file.add(tensor.info.name, tensor.info.type, tensor.info.shape.dimensions, bytes)
    }
    let config = try Self.folder(base.name).appending("config.json").contents
    let damaged = try file.write(to: folder, config: String(decoding: config, as: UTF8.self))
      .dequantised()
    let adapter = WeightedAdapter(try adapter(for: damaged.decoded[0].info))
    let view = try AdaptedCheckpoint(damaged, applying: [adapter], as: .bf16)
    let error = #expect(throws: CheckpointError.self) { try view.contents(of: parameter.name) }
    if case .notFinite(let name, _)? = error {
      #expect(name == parameter.name)
    } else {
      Issue.record("\(String(describing: error))")
    }
    let lenient = try AdaptedCheckpoint(
      damaged, applying: [adapter], as: .bf16, policy: .init(nonFiniteValues: .allow))
    #expect(try lenient.contents(of: parameter.name) != nil)
  }

  @Test(arguments: names) func withoutBeingAskedItIsRefused(_ name: String) throws {
    let base = try Checkpoint(Self.folder(name))
    let adapter = try adapter(for: base.dequantised().decoded[0].info)
    let error = #expect(throws: AdapterError.self) {
      _ = try AdaptedCheckpoint(base, applying: adapter)
    }
    #expect("\(String(describing: error))".contains("quantised"))
  }
}

import Fuzzing
import StrictJSON
import TestSupport
import Testing

/// Inputs below a megabyte of which every part is within its limits, and the product of two is not.
@Suite struct HostileSizeTests {
  /// Repetitions are short and stand for thousands of steps each.
  @Test func patternsOfManyStepsAreRefused() throws {
    let patterns = (0..<12_000).map { "\".{9000}\($0)\":8" }
    try expectRefusal(lora(#""rank_pattern":{\#(patterns.joined(separator: ","))}"#), modules: 1)
  }

  @Test func patternsAndModulesTogetherAreRefused() throws {
    let patterns = (0..<50).map { "\"(.{0,9000})x\($0)\":8" }
    try expectRefusal(
      lora(#""rank_pattern":{\#(patterns.joined(separator: ","))}"#), modules: 1500)
  }

  @Test(arguments: ["modules_to_save", "target_parameters"])
  func listsThatAreComparedWithEveryTensorAreRefused(_ field: String) throws {
    let texts = (0..<50_000).map { "\"m\($0)\"" }.joined(separator: ",")
    try expectRefusal(lora("\"\(field)\":[\(texts)]"), modules: 2000)
  }

  /// Such a list is looked up, not compared: a mixture of experts has thousands.
  @Test func aLongListOfTargetModulesIsNoProblem() throws {
    let texts = (0..<40_000).map { "\"m\($0).q\"" }.joined(separator: ",")
    let input = PEFTInput(
      config: Array(lora("\"target_modules\":[\(texts)]").utf8), header: header(modules: 2000))
    try expect(.peft, accepts: true, input.bytes)
  }

  /// Two matrices of one column make a product of their lengths.
  @Test(arguments: [8000, 100_000])
  func anEncoderThatMakesMuchOfLittleIsRefused(_ rows: Int) throws {
    let config = #"{"peft_type":"P_TUNING","num_virtual_tokens":\#(rows)}"#
    let parts = [
      ("embedding.weight", [rows, 1]), ("mlp_head.0.weight", [100_000, 1]),
      ("mlp_head.0.bias", [100_000]),
    ]
    let input = PEFTInput(
      config: Array(config.utf8),
      header: header(parts.map { ("prompt_encoder.default.\($0)", $1) }, type: "F16"))
    try expect(.peft, accepts: false, input.bytes)
  }

  /// Two megabytes of a manifest, and a million values.
  @Test(arguments: ["0", "{}", #"{"":0}"#, #""""#])
  func valuesThatAreCarriedTakeLittleMemory(_ value: String) throws {
    let values = Array(repeating: value, count: 2_000_000 / (value.utf8.count + 1))
    let text = """
      {"adapters":[{"name":"a","method":"m","operations":[{"op":"later","tensors":{},"k":[\
      \(values.joined(separator: ","))]}],"streams":[]}]}
      """
    try expect(.container, accepts: true, HandMade.file(manifest: text))
  }
}

// MARK: - Making them

private func expectRefusal(_ config: String, modules: Int) throws {
  let input = PEFTInput(config: Array(config.utf8), header: header(modules: modules))
  #expect(input.bytes.count < 1 << 20)
  try expect(.peft, accepts: false, input.bytes)
}

/// Reads the bytes, which takes little of a processor's time.
private func expect(_ target: FuzzTarget, accepts: Bool, _ bytes: [UInt8]) throws {
  var isAccepted = false
  let seconds = try processorSeconds { isAccepted = try target.run(bytes) }
  #expect(isAccepted == accepts)
  #expect(seconds < 20)
}

private func lora(_ field: String) -> String {
  #"{"peft_type":"LORA","r":8,"lora_alpha":8,\#(field)}"#
}

/// LoRA's tensors for modules of long names.
private func header(modules: Int) -> [UInt8] {
  header(
    (0..<modules).flatMap { index in
      [("A", [8, 1]), ("B", [1, 8])].map { part, shape in
        ("base_model.model.layers.\(index).a_module_of_some_length.q.lora_\(part).weight", shape)
      }
    }, type: "F16")
}

private func header(_ tensors: [(name: String, shape: [Int])], type: String) -> [UInt8] {
  var end = 0
  var writer = JSONWriter()
  writer.object { writer in
    for (name, shape) in tensors {
      writer.key(Name(name))
      let start = end
      end += 2 * shape.reduce(1, *)
      writer.value(
        .object([
          .init("dtype", .string(type)),
          .init("shape", .array(shape.map { .integer(UInt64($0)) })),
          .init("data_offsets", .array([start, end].map { .integer(UInt64($0)) })),
        ]))
    }
  }
  return writer.bytes
}

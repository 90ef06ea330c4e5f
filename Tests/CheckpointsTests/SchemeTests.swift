import Checkpoints
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// Quantised parameters against the values that each scheme's own library gives, which `Fixtures/makers/quantised.py`
/// keeps.
@Suite struct SchemeTests {
  static let names: [String] = {
    let folder = Repository.fixtures.appending("quantised")
    return Repository.files(below: folder, suffix: "values.safetensors").map {
      $0.removingLastComponent().lastComponent?.string ?? ""
    }
  }()

  private func folder(_ name: String) -> FilePath {
    Repository.fixtures.appending("quantised").appending(name)
  }

  @Test(arguments: names) func everyBitIsTheLibrarys(_ name: String) throws {
    let base = try Checkpoint(folder(name)).dequantised()
    let values = try Checkpoint(folder(name).appending("values.safetensors"))
    #expect(Set(base.names) == Set(values.names).union(["model.norm.weight"]))
    #expect(base.decoded.count == values.names.count)
    for stored in values.tensors {
      let ours = try #require(base.tensor(stored.info.name))
      #expect(ours.info == stored.info, "\(ours.info)")
      #expect(try ours.contents() == stored.contents(), "\(stored.info.name)")
    }
  }

  /// A run anywhere gives what a run over all has there.
  @Test(arguments: names) func everyRangeIsAPartOfTheWhole(_ name: String) throws {
    let base = try Checkpoint(folder(name)).dequantised()
    for parameter in base.decoded {
      let tensor = try #require(base.tensor(parameter.info.name))
      let (whole, count) = (try tensor.contents(), parameter.info.shape.count)
      let width = parameter.info.type.bitWidth / 8
      for (start, length) in [(0, 1), (1, 1), (31, 67), (count / 2 + 1, 200), (count - 5, 5)] {
        let range = start..<min(count, start + length)
        #expect(
          try tensor.contents(of: range)
            == Array(whole[range.lowerBound * width..<range.upperBound * width]))
      }
    }
  }

  /// What is left of a base without one of a scheme's tensors, or with one of another size, is named and refused.
  @Test(arguments: names) func whatContradictsItselfIsRefused(_ name: String) throws {
    let source = try Checkpoint(folder(name))
    let whole = try source.dequantised()
    for companion in whole.decoded[0].companions {
      let isNeeded = ![
        "input_scale", "weight_format", "g_idx", "input_global_scale", "weight_zero_point",
      ].contains {
        companion.text.hasSuffix($0)
      }
      guard isNeeded else { continue }
      let copy = try TemporaryFolder()
      var file = HandMadeCheckpoint()
      for tensor in source.tensors where tensor.info.name != companion {
        file.add(
          tensor.info.name, tensor.info.type, tensor.info.shape.dimensions, try tensor.contents())
      }
      let config = try? folder(name).appending("config.json").contents
      let base = try file.write(
        to: copy, config: config.map { String(decoding: $0, as: UTF8.self) })
      let left = try? base.dequantised()
      // Without what shows the scheme, there is none: the codes stay what they are.
      #expect(left.map { $0.decoded.count < whole.decoded.count } ?? true, "\(companion)")
    }
  }

  /// Older files of GPTQ have no order of the groups where that is their own, and are no AWQ.
  @Test(arguments: [false, true]) func gptqNeedsNoOrderOfGroups(_ isOrdered: Bool) throws {
    var made = try EditedBase(Checkpoint(folder("gptq")))
    for name in made.tensors.keys where name.hasSuffix(".g_idx") { made.tensors[name] = nil }
    let config = String(
      decoding: try folder("gptq").appending("config.json").contents, as: UTF8.self
    ).replacing("\"bits\"", with: "\"desc_act\": \(isOrdered), \"bits\"")
    let copy = try TemporaryFolder()
    let base = try made.write(to: copy, config: config)
    guard !isOrdered else {
      let error = #expect(throws: CheckpointError.self) { try base.dequantised() }
      #expect(error?.description.contains("g_idx") == true)
      return
    }
    let decoded = try base.dequantised()
    #expect(decoded.decoded.map(\.scheme) == [.gptq, .gptq])
    for stored in try Checkpoint(folder("gptq").appending("values.safetensors")).tensors {
      #expect(try decoded.tensor(stored.info.name)?.contents() == stored.contents())
    }
  }

  /// A size of groups that no sum has room for is a wrong one.
  @Test func aSizeBeyondAllIsRefused() throws {
    var made = HandMadeCheckpoint()
    let module = "model.layers.0.self_attn.q_proj"
    made.add(Name("\(module).qweight"), .i32, [2048, 1], [UInt8](repeating: 0, count: 8192))
    made.add(Name("\(module).qzeros"), .i32, [1, 1], [0, 0, 0, 0])
    made.add(Name("\(module).scales"), .f16, [1, 8], [UInt8](repeating: 0, count: 16))
    let copy = try TemporaryFolder()
    let config =
      #"{"quantization_config":{"quant_method":"awq","bits":4,"group_size":9223372036854774784}}"#
    let base = try made.write(to: copy, config: config)
    #expect(throws: CheckpointError.self) { try base.dequantised() }
  }
}

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
}

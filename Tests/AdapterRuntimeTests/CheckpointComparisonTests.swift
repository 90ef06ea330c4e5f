import AdapterInsight
import AdapterRuntime
import Checkpoints
import TestSupport
import Testing

/// Checkpoints are the same where every value is.
@Suite struct CheckpointComparisonTests {
  private func compare(_ left: [Float], _ right: [Float]) throws -> CheckpointComparison {
    let folder = try TemporaryFolder()
    var checkpoints: [Checkpoint] = []
    for (name, values) in [("x.safetensors", left), ("y.safetensors", right)] {
      let header =
        #"{"w":{"dtype":"F32","shape":[\#(values.count)],"data_offsets":[0,\#(values.count * 4)]}}"#
      let length = (0..<8).map { UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0)) }
      let path = try folder.write(
        length + Array(header.utf8) + HandMadeCheckpoint.bytes(values), to: name)
      checkpoints.append(try Checkpoint(path))
    }
    return try CheckpointComparison(checkpoints[0], checkpoints[1])
  }

  @Test func oneLastDigitIsAChange() throws {
    var values = (0..<100_000).map { Float($0) }
    let before = values
    values[77_777] = values[77_777].nextUp
    let tensor = try #require(try compare(before, values).tensors.first)
    #expect(!tensor.isSame)
    #expect(tensor.change?.changedCount == 1)
    #expect(tensor.change?.largest == Double(before[77_777].ulp))
  }

  @Test func equalBytesAreTheSame() throws {
    let values: [Float] = [0, -0.0, .nan, .infinity, 1]
    #expect(try compare(values, values).tensors.first?.isSame == true)
  }
}

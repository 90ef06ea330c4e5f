import Checkpoints
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// Fixtures/fingerprints.json: samples of generated tensors, computed in Python from section 7 of the
/// specification alone.
@Suite struct TensorSampleTests {
  private struct Vector {
    let info: TensorInfo
    let seed: UInt64
    let exact: String
    let value: String?
    let sketch: String?

    init(_ value: JSONValue) throws {
      guard case .object(let members) = value else { throw VectorError() }
      func text(_ key: Name) -> String? {
        if case .string(let text) = members.first(where: { $0.key == key })?.value {
          text
        } else {
          nil
        }
      }
      guard case .array(let dimensions) = members.first(where: { $0.key == "shape" })?.value,
        case .integer(let seed) = members.first(where: { $0.key == "seed" })?.value,
        let type = text("dtype").flatMap(ElementType.init(rawValue:)),
        let shape = Shape(dimensions.map { UInt64($0.double ?? 0) }), let exact = text("exact")
      else { throw VectorError() }
      info = TensorInfo(name: "t", type: type, shape: shape)
      self.seed = seed
      self.exact = exact
      self.value = text("value")
      sketch = text("sketch")
    }
  }

  private struct VectorError: Error {}

  @Test func samplesAreThoseOfTheSpecification() throws {
    let file = try JSONFields(Repository.fixtures.appending("fingerprints.json").contents)
    let vectors = try file.array("tensors")
    #expect(vectors.count > 30)
    let folder = try TemporaryFolder()
    for vector in try vectors.map(Vector.init) {
      let width = vector.info.type.bitWidth / 8
      let bytes = (0..<vector.info.shape.count).flatMap { index -> [UInt8] in
        var generator = SeededGenerator(seed: vector.seed &+ UInt64(index))
        let bits = generator.next()
        return (0..<width).map { UInt8(truncatingIfNeeded: bits >> (8 * UInt64($0))) }
      }
      let header = SafetensorsHeader(canonical: [vector.info], metadata: nil)
      let path = try folder.write(header.encoded + bytes, to: "t.safetensors")
      let sample = try TensorSample(try #require(Checkpoint(path).tensor("t")))
      let place = "\(vector.info.type.rawValue) \(vector.info.shape)"
      #expect(sample.exact.hexadecimal == vector.exact, "\(place)")
      #expect(sample.value?.hexadecimal == vector.value, "\(place)")
      #expect(sample.sketch?.hexadecimal == vector.sketch, "\(place)")
    }
  }
}

import AdapterFormat
import AdapterInterop
import AdapterRuntime
import Operations
import Checkpoints
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// A base that was rounded to another type is still the base.
@Suite struct OtherTypeTests {
  /// tiny-llama-f32 with every value rounded to a narrower type.
  private func narrowed(to type: ElementType, in folder: TemporaryFolder) throws -> Checkpoint {
    let base = try Checkpoint(Repository.base("tiny-llama-f32"))
    let infos = base.tensors.map {
      TensorInfo(name: $0.info.name, type: type, shape: $0.info.shape)
    }
    let header = SafetensorsHeader(canonical: infos, metadata: [.init("format", "pt")])
    let data = try header.tensors.flatMap { tensor in
      try base.values(tensor.info.name).flatMap { value -> [UInt8] in
        let bits =
          type == .f16
          ? HalfFloat.bits(value)
          : UInt16((Float(value).bitPattern + 0x7FFF + (Float(value).bitPattern >> 16 & 1)) >> 16)
        return [UInt8(truncatingIfNeeded: bits), UInt8(bits >> 8)]
      }
    }
    return try Checkpoint(folder.write(header.encoded + data, to: "\(type.rawValue).safetensors"))
  }

  private func recorded() throws -> Adapter {
    let (adapter, base) = try base(of: "llama_rslora")
    return try BoundAdapter(adapter, to: base).recordingBase(base)
  }

  @Test(arguments: [ElementType.bf16, .f16])
  func theSameValuesInAnotherTypeMatch(_ type: ElementType) throws {
    let folder = try TemporaryFolder()
    let view = try AdaptedCheckpoint(narrowed(to: type, in: folder), applying: recorded())
    #expect(view.verdict == .sameValues)
  }

  @Test func otherValuesInAnotherTypeDoNot() throws {
    let folder = try TemporaryFolder()
    _ = try narrowed(to: .f16, in: folder)
    var bytes = try folder.appending("F16.safetensors").contents
    // The last tensor by name and type ends the file; every weight of it is moved by a hundredth.
    for index in stride(from: bytes.count - 64, to: bytes.count, by: 2) { bytes[index] ^= 0x40 }
    let path = try folder.write(bytes, to: "other.safetensors")
    #expect(throws: AdapterError.self) {
      try AdaptedCheckpoint(Checkpoint(path), applying: recorded())
    }
  }
}

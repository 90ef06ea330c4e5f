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

/// A base that has an adapter's change in it already is recognised by that.
@Suite struct AlreadyMergedTests {
  private let folder: TemporaryFolder
  private let baseFolder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    baseFolder = try TemporaryFolder()
  }

  /// Methods that mix the elements of a row, or scale it by its norm: the few values that were recorded do not say
  /// what they make.
  private static let rowMethods: Set<String> = ["oft", "boft", "hra", "road"]
  private static let rowCases: Set<String> = [
    "gpt2_dora", "llama_dora", "llama_dora_bf16", "llama_dora_embed", "conv_dora", "miss_bat",
    // It replaces rows of which no values were recorded.
    "llama_trainable_tokens",
  ]

  private func recorded(_ fixture: PEFTCase) throws -> (adapter: Adapter, base: Checkpoint) {
    let (adapter, base) = try open(fixture)
    return (try BoundAdapter(adapter, to: base).recordingBase(base), base)
  }

  private func verdict(_ adapter: Adapter, on base: Checkpoint) throws -> BaseVerdict {
    let entry = try BaseCheck(base, applying: [WeightedAdapter(adapter)]).adapters.first
    return entry?.applied?.verdict ?? entry?.refusal?.cause as? BaseVerdict ?? .unknown
  }

  /// What PEFT has merged, in its own arithmetic.
  @Test(arguments: PEFTCase.mergeable.filter { $0.result("merged.safetensors").exists })
  func whatPEFTHasMergedIsRefused(_ fixture: PEFTCase) throws {
    let (adapter, base) = try recorded(fixture)
    var edited = try EditedBase(base)
    for (name, tensor) in try EditedBase(Checkpoint(fixture.result("merged.safetensors"))).tensors {
      edited.tensors[name] = tensor
    }
    let verdict = try verdict(adapter, on: try edited.write(to: folder))
    #expect(!verdict.isAccepted)
    let isOfRows =
      Self.rowMethods.contains(fixture.method) || Self.rowCases.contains(fixture.name)
    switch verdict {
    case .alreadyMerged(let names): #expect(!names.isEmpty)
    case .targetsDiffer: #expect(isOfRows, "\(fixture.name)")
    // A vocabulary of another length.
    case .structureDiffers: #expect(fixture.name == "llama_resized")
    default: Issue.record("\(fixture.name): \(verdict)")
    }
  }

  /// Our own merge, of a tensor that is not sampled in full.
  @Test(arguments: [ElementType.f32, .bf16, .f16])
  func aLargeTensorIsRecognisedByItsSketch(_ type: ElementType) throws {
    let (adapter, base) = try large(type)
    let merged = try merge(adapter, into: base, weight: 1)
    let verdict = try verdict(adapter, on: merged)
    guard case .alreadyMerged(let names) = verdict else { return Issue.unexpected(verdict) }
    #expect(names == ["m.weight"])
  }

  /// Half of the change, twice the change, or that of another adapter is another base, and no more.
  @Test(arguments: [0.5, 2, -1])
  func otherChangesAreNotThisOne(_ weight: Double) throws {
    // Each writes its base in the place of the one before.
    let (other, _) = try large(.f32, seed: 5)
    let (adapter, base) = try large(.f32)
    let scaled = try verdict(adapter, on: try merge(adapter, into: base, weight: weight))
    guard case .targetsDiffer = scaled else { return Issue.unexpected(scaled) }
    let foreign = try verdict(adapter, on: try merge(other, into: base, weight: 1))
    guard case .targetsDiffer = foreign else { return Issue.unexpected(foreign) }
  }

  private func merge(
    _ adapter: Adapter, into base: Checkpoint, weight: Double
  ) throws -> Checkpoint {
    let view = try AdaptedCheckpoint(base, applying: [WeightedAdapter(adapter, weight: weight)])
    let output = folder.appending("merged")
    _ = try Merge(view).write(to: output, replacing: true)
    return try Checkpoint(output)
  }

  /// A weight of 12,800 elements, and a low-rank change of it.
  private func large(
    _ type: ElementType, seed: Int = 1
  ) throws -> (adapter: Adapter, base: Checkpoint) {
    func values(_ count: Int, _ factor: Int) -> [Float] {
      (0..<count).map { Float(($0 * factor + seed) % 89) / 64 - 0.7 }
    }
    let (rows, columns) = (128, 100)
    let stored = (0..<rows * columns).map { Float($0 * 31 % 97) / 32 - 1.5 }
    let bytes: [UInt8] =
      switch type {
      case .f32: HandMadeCheckpoint.bytes(stored)
      case .bf16: stored.flatMap { HandMadeCheckpoint.bytes([$0]).suffix(2) }
      default:
        stored.flatMap { value -> [UInt8] in
          let bits = HalfFloat.bits(Double(value))
          return [UInt8(truncatingIfNeeded: bits), UInt8(bits >> 8)]
        }
      }
    var edited = EditedBase()
    edited.tensors["m.weight"] = .init(type, [rows, columns], bytes)
    let base = try edited.write(to: baseFolder)
    var made = HandMadeAdapter()
    let a = made.operand("a", [2, columns], values(2 * columns, 13))
    let b = made.operand("b", [rows, 2], values(2 * rows, 29))
    try made.append(AddLowRank(target: Target("m.weight", layout: .outIn), a: a, b: b, scale: 0.5))
    return (try BoundAdapter(made.adapter, to: base).recordingBase(base), base)
  }
}

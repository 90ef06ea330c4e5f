import AdapterInterop
import Checkpoints
import Foundation
import SystemPackage
import TestSupport

extension FuzzTarget {
  /// What the fuzzer begins with: the fixtures that are of the target's form.
  package func seeds() throws -> [[UInt8]] {
    let fixtures = Repository.fixtures
    switch self {
    case .container:
      return try ["valid", "invalid"].flatMap {
        try Self.files(below: fixtures.appending($0), suffix: ".adp")
      }
    case .json: return try Self.files(below: fixtures, suffix: "config.json")
    case .safetensors:
      return try Self.files(below: fixtures.appending("peft"), suffix: "model.safetensors")
    case .index:
      return try Self.files(below: fixtures.appending("bases"), suffix: ".json")
    case .peft:
      return try Repository.peftCases.map { try Self.adapter(Repository.peft($0)) }
    case .pair:
      return try PEFTCase.mergeable.map { fixture in
        let (adapter, base) = try open(fixture)
        return try PairInput(adapter, base).bytes
      }
    case .job:
      // Each change once, to each kind of file.
      return (0..<12 as Range<UInt8>).flatMap { what in
        [0, 3, 6, 7, 8, 9].map { which in [what &* 0x55, what, which, 0x42] }
      }
    case .gguf:
      let made = try GGUFBody.bases.flatMap { base in
        try Self.exported(as: Formats.gguf, ExportChoices(base: base))
      }
      return try Set(made).filter { try run($0) }.sorted { $0.lexicographicallyPrecedes($1) }
        + Self.files(below: fixtures.appending("gguf/llama"), suffix: ".gguf")
    case .onnx: return try Self.exported(as: Formats.onnx, ExportChoices())
    case .quantised:
      return try Repository.files(
        below: fixtures.appending("quantised"), suffix: "model.safetensors"
      )
      .map { path in
        let config = try path.removingLastComponent().appending("config.json").contents
        return QuantisedInput(config: config, file: try path.contents).bytes
      }
    }
  }

  /// Writes them as files.
  package func writeSeeds(to folder: String) throws {
    for (number, seed) in try seeds().enumerated() {
      try Data(seed).write(to: URL(fileURLWithPath: "\(folder)/seed-\(number)"))
    }
  }

  /// The adapters of PEFT that a format can hold, for the base that the body has.
  private static func exported(
    as format: any WritableFormat, _ choices: ExportChoices
  ) throws -> [[UInt8]] {
    let folder = try TemporaryFolder()
    return Repository.peftCases.compactMap { name in
      guard name.contains("llama"),
        let adapter = try? PEFTImport(PEFTFolder(Repository.peft(name))).adapter,
        let export = try? format.export(adapter, choices)
      else { return nil }
      let path = folder.appending(name)
      guard (try? export.write(to: path, replacing: false, allowingLoss: true)) != nil else {
        return nil
      }
      return try? path.contents
    }
  }

  private static func files(below folder: FilePath, suffix: String) throws -> [[UInt8]] {
    try Repository.files(below: folder, suffix: suffix).map { try $0.contents }
  }

  /// The configuration and the header of an adapter of PEFT.
  private static func adapter(_ folder: FilePath) throws -> [UInt8] {
    let weights = try folder.appending("adapter_model.safetensors").contents
    let length = weights[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    return PEFTInput(
      config: try folder.appending("adapter_config.json").contents,
      header: Array(weights[8..<8 + length])
    ).bytes
  }
}

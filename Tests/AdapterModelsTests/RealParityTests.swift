import AdapterModels
import AdapterInterop
import AdapterRuntime
import Operations
import Checkpoints
import Foundation
import Storage
import SystemPackage
import TestSupport
import Testing

/// Adapters that were really trained, on a model of 135 M parameters: ADAPTER_REAL names a folder of PEFT
/// folders, each with a `reference.safetensors`, ADAPTER_REAL_BASE the base.
@Suite(.enabled(if: RealFolders() != nil, "needs ADAPTER_REAL and ADAPTER_REAL_BASE"), .serialized)
struct RealParityTests {
  private let folders: RealFolders
  private let base: Checkpoint

  init() throws {
    folders = try #require(RealFolders())
    base = try Checkpoint(folders.base)
  }

  /// max |Δ logit| ≤ 1e-2, and the same greedy tokens.
  @Test func realAdaptersSayWhatPEFTSays() throws {
    let model = try LanguageModel(base)
    try check(model, nil, folders.adapters.appending("no_adapter.reference.safetensors"))
    for path in folders.names {
      let adapter = try PreparedAdapter(PEFTImport(PEFTFolder(path)).adapter, for: model)
      let stack = try AdapterStack([.init(adapter)], for: model)
      try check(model, stack, path.appending("reference.safetensors"))
    }
  }

  private func check(
    _ model: LanguageModel, _ stack: AdapterStack?, _ reference: FilePath
  ) throws {
    let file = try Checkpoint(reference)
    for prompt in 0..<2 {
      let expected = try file.integers("greedy\(prompt)")
      let generation = try Generation(
        model, prompt: file.integers("ids\(prompt)"), with: stack,
        options: .init(maximumCount: expected.count, endTokens: []))
      let distance = distance(generation.logits, try file.floats("logits\(prompt)"))
      print("\(reference) \(prompt): max |Δ logit| \(distance)")
      #expect(distance <= 1e-2)
      var tokens: [Int32] = []
      while let token = try generation.next() { tokens.append(token) }
      #expect(tokens == expected, "\(reference)")
    }
  }

  /// What a merge writes runs as the adapter does beside the weights, but for the rounding of the merged
  /// weights to BF16.
  @Test func mergedAndUnmergedAgree() throws {
    let folder = try TemporaryFolder()
    for path in folders.names {
      let adapter = try PEFTImport(PEFTFolder(path)).adapter
      guard !adapter.operations.contains(where: { $0.target == nil }) else { continue }
      let merged = folder.appending(path.lastComponent?.string ?? "")
      _ = try Merge(AdaptedCheckpoint(base, applying: adapter)).write(
        to: merged, replacing: false
      ) { _, _ in }
      let model = try LanguageModel(base)
      let prepared = try PreparedAdapter(adapter, for: model)
      let stack = try AdapterStack([.init(prepared)], for: model)
      let file = try Checkpoint(path.appending("reference.safetensors"))
      let ids = try file.integers("ids0")
      let beside = try Generation(model, prompt: ids, with: stack).logits
      let within = try Generation(LanguageModel(Checkpoint(merged)), prompt: ids).logits
      print("\(path): merged against beside, max |Δ logit| \(distance(beside, within))")
      #expect(distance(beside, within) <= 0.25)
    }
  }
}

struct RealFolders {
  let adapters: FilePath
  let base: FilePath

  init?() {
    let environment = ProcessInfo.processInfo.environment
    guard let adapters = environment["ADAPTER_REAL"], let base = environment["ADAPTER_REAL_BASE"]
    else { return nil }
    self.adapters = FilePath(adapters)
    self.base = FilePath(base)
  }

  /// The adapters' folders.
  var names: [FilePath] {
    Repository.files(below: adapters, suffix: "adapter_config.json").map {
      $0.removingLastComponent()
    }
    .sorted { $0.string < $1.string }
  }
}

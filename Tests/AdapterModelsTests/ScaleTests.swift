import AdapterModels
import AdapterInterop
import Operations
import Checkpoints
import Foundation
import SystemPackage
import TestSupport
import Testing

/// A service with more adapters than fit into its memory: ADAPTER_SCALE says how many there are; the
/// adapters and their base are those of `RealParityTests`.
@Suite(.enabled(if: RealFolders() != nil && Scale.count > 0, "needs ADAPTER_SCALE"), .serialized)
struct ScaleTests {
  private let base: Checkpoint
  private let lora: FilePath
  private let folder: TemporaryFolder

  init() throws {
    let folders = try #require(RealFolders())
    base = try Checkpoint(folders.base)
    lora = try #require(folders.names.first { $0.string.contains("lora") })
    folder = try TemporaryFolder()
  }

  /// Files of one adapter each, that know their base, all with their own bytes on the disk.
  private func files() throws -> [FilePath] {
    let first = folder.path.appending("0.adp")
    let result = try Command.adapter(
      "convert", lora.string, "--base", base.path.string, "-o", first.string)
    try #require(result.status == 0, "\(result.errors)")
    let bytes = try Data(contentsOf: URL(filePath: first.string))
    return try (0..<Scale.count).map { index in
      let path = folder.path.appending("\(index).adp")
      if index > 0 { try bytes.write(to: URL(filePath: path.string)) }
      return path
    }
  }

  @Test func adaptersComeAndGoInBoundedMemory() throws {
    let paths = try files()
    let model = try LanguageModel(base)
    let one = try PreparedAdapter(Adapter.open(paths[0])[0], for: model)
    let limit = one.byteCount * 64
    let cache = AdapterCache<FilePath>(byteLimit: limit)
    let before = Scale.residentBytes
    var times: [Double] = []
    var order = SystemRandomNumberGenerator()
    let requests =
      paths + (0..<paths.count).map { _ in paths.randomElement(using: &order) ?? paths[0] }
    var misses = 0
    for path in requests {
      let start = ContinuousClock.now
      var isMiss = false
      let adapter = try cache.adapter(for: path) { () throws in
        isMiss = true
        return try PreparedAdapter(Adapter.open(path)[0], for: model)
      }
      let stack = try AdapterStack([.init(adapter)], for: model)
      if isMiss { times.append((ContinuousClock.now - start) / .milliseconds(1)) }
      misses += isMiss ? 1 : 0
      #expect(stack.entries.count == 1 && cache.byteCount <= limit)
    }
    times.sort()
    let grown = Scale.residentBytes - before
    print(
      """
      \(paths.count) adapters of \(one.byteCount) bytes in memory, limit \(limit): \(misses) loads of \
      \(requests.count) requests; attach \(times[times.count / 2]) ms median, \
      \(times[times.count * 99 / 100]) ms at 99 %; resident memory grew by \(grown) bytes
      """)
    #expect(grown < limit + limit / 2)
  }

  /// What is prepared is swapped in microseconds: the factors stay where they are.
  @Test func aSwapCopiesNoFactors() throws {
    let model = try LanguageModel(base)
    let adapter = try PreparedAdapter(PEFTImport(PEFTFolder(lora)).adapter, for: model)
    let rack = AdapterRack(model)
    func median(_ body: () throws -> Void) throws -> Double {
      let times = try (0..<201).map { _ in
        let start = ContinuousClock.now
        try body()
        return (ContinuousClock.now - start) / .microseconds(1)
      }
      return times.sorted()[100]
    }
    let attach = try median { try rack.attach(adapter) }
    let reweight = try median { try rack.reweight(adapter.name, to: 0.5) }
    let detach = try median { try rack.detach(adapter.name) }
    print("attach \(attach) µs, reweight \(reweight) µs, detach of none \(detach) µs")
    #expect(attach < 1000 && reweight < 1000 && detach < 1000)
  }
}

enum Scale {
  static let count = Int(ProcessInfo.processInfo.environment["ADAPTER_SCALE"] ?? "") ?? 0

  /// What the kernel says this process has in memory.
  static var residentBytes: Int {
    let text = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8)) ?? ""
    return text.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 * 4096 } ?? 0
  }
}

import AdapterRuntime
import Checkpoints
import Foundation
import Operations
import Storage
import Synchronization
import SystemPackage
import TestSupport
import Testing

/// The folder that processes of one merge fill: what is in it is proved, and nobody else's.
@Suite struct MergeFolderTests {
  private let folder: TemporaryFolder
  private let base: Checkpoint
  private let adapter: Adapter
  private let target: FilePath
  private let whole: [String: [UInt8]]

  init() throws {
    folder = try TemporaryFolder()
    (adapter, base) = try open(try #require(PEFTCase.all.first { $0.name == "llama_all" }))
    target = folder.appending("out")
    let merge = Merge(try AdaptedCheckpoint(base, applying: [WeightedAdapter(adapter)]))
    try merge.write(to: folder.appending("whole"), replacing: false)
    whole = try folder.appending("whole").files
  }

  private var merge: Merge {
    get throws { Merge(try AdaptedCheckpoint(base, applying: [WeightedAdapter(adapter)])) }
  }

  /// Where the merge waits for its end; at most one does.
  private var waiting: FilePath? {
    folder.names.first { $0.hasPrefix(".out.merge-") }.map { folder.appending($0) }
  }

  private func setMode(_ mode: Int, of path: FilePath) throws {
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path.string)
  }

  // MARK: - What is gone on with

  /// Damages a file that is finished, or what proves it.
  enum Damage: CaseIterable {
    case zeros, flippedBit, flippedLastBit, cut, lengthened, gone, noProof, proofCut, otherProof
    case otherShard

    func happen(in folder: FilePath, to shard: String, instead other: String) throws {
      let path = folder.appending(shard)
      let proof = folder.appending(OutputFolder.companion(of: shard))
      var bytes = try path.contents
      switch self {
      case .zeros: bytes = Array(repeating: 0, count: bytes.count)
      case .flippedBit: bytes[bytes.count / 2] ^= 1
      case .flippedLastBit: bytes[bytes.count - 1] ^= 0x80
      case .cut: bytes.removeLast()
      case .lengthened: bytes.append(0)
      case .gone: return try FileManager.default.removeItem(atPath: path.string)
      case .noProof: return try FileManager.default.removeItem(atPath: proof.string)
      case .proofCut: return try proof.write(try proof.contents.dropLast())
      case .otherProof:
        return try proof.write(folder.appending(OutputFolder.companion(of: other)).contents)
      case .otherShard:
        try proof.write(folder.appending(OutputFolder.companion(of: other)).contents)
        bytes = try folder.appending(other).contents
      }
      try path.write(bytes)
    }
  }

  @Test(arguments: Damage.allCases)
  func aFinishedFileIsProvedOrWrittenAnew(_ damage: Damage) throws {
    let parts = try (1...2).map { try merge.write(to: target, .part($0, of: 2), replacing: false) }
    let shards = parts.flatMap(\.shards).sorted()
    #expect(shards == base.shards.map(\.name))
    let folder = try #require(waiting)
    try damage.happen(in: folder, to: shards[1], instead: shards[0])
    let error = #expect(throws: AdapterError.self) {
      try merge.write(to: target, .finish, replacing: false)
    }
    #expect(error?.kind == .partsMissing && error?.places == [shards[1]])
    #expect(!FileManager.default.fileExists(atPath: target.string))
    let receipt = try merge.write(to: target, replacing: false)
    #expect(receipt.shards == [shards[1]])
    #expect(receipt.resumedShards == shards.filter { $0 != shards[1] })
    #expect(try target.files == whole)
    #expect(self.folder.names == ["out", "whole"])
  }

  /// A file of which the kernel has copied blocks: these are held against the base.
  @Test func whatWasCopiedIsHeldAgainstTheBase() throws {
    let untouched = Merge(try AdaptedCheckpoint(base, applying: []))
    try untouched.write(to: target, .part(1, of: 1), replacing: false)
    let shard = try #require(waiting).appending(base.shards[0].name)
    var bytes = try shard.contents
    bytes[bytes.count / 2] ^= 1
    try shard.write(bytes)
    let receipt = try untouched.write(to: target, replacing: false)
    #expect(receipt.shards == [base.shards[0].name])
    let source = base.path.appending(base.shards[0].name)
    #expect(try target.appending(base.shards[0].name).contents == source.contents)
  }

  // MARK: - What does not belong there

  enum Foreign: CaseIterable {
    case python, hidden, temporary, folder, link, shardIsLink, shardIsFolder, otherOwner

    func put(into folder: FilePath, shard: String) throws {
      let files = FileManager.default
      let path = folder.appending(shard).string
      switch self {
      case .python: try folder.appending("modeling_x.py").write([1])
      case .hidden: try folder.appending(".x").write([1])
      case .temporary: try folder.appending(".modeling_x.py.1-a.tmp").write([1])
      case .folder:
        try files.createDirectory(
          atPath: folder.appending("x").string, withIntermediateDirectories: false)
      case .link:
        try files.createSymbolicLink(
          atPath: folder.appending("x").string, withDestinationPath: "/etc/passwd")
      case .shardIsLink:
        try files.moveItem(atPath: path, toPath: path + ".kept")
        try files.createSymbolicLink(atPath: path, withDestinationPath: path + ".kept")
      case .shardIsFolder:
        try files.removeItem(atPath: path)
        try files.createDirectory(atPath: path, withIntermediateDirectories: false)
      case .otherOwner: try files.setAttributes([.ownerAccountID: 4242], ofItemAtPath: path)
      }
    }
  }

  @Test(arguments: Foreign.allCases, [Merge.Scope.all, .part(2, of: 2), .finish])
  func aForeignFileIsRefusedAndKept(_ foreign: Foreign, _ scope: Merge.Scope) throws {
    guard foreign != .otherOwner || getuid() == 0 else { return }
    try merge.write(to: target, .part(1, of: 2), replacing: false)
    let folder = try #require(waiting)
    let shard = try #require(folder.names.first { $0.hasSuffix(".safetensors") })
    try foreign.put(into: folder, shard: shard)
    let before = folder.names
    let error = #expect(throws: StorageError.self) {
      try merge.write(to: target, scope, replacing: false)
    }
    guard case .holdsForeign = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(folder.names == before && self.folder.names.count == 2)
  }

  /// What comes into the folder while it is being filled.
  @Test func aFileThatComesMeanwhileIsRefused() throws {
    let error = #expect(throws: StorageError.self) {
      try merge.write(to: target, replacing: false) { _, _ in
        if let folder = waiting { try? folder.appending("x.py").write([1]) }
      }
    }
    guard case .holdsForeign(_, "x.py") = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(try #require(waiting).names == ["x.py"])
    #expect(!FileManager.default.fileExists(atPath: target.string))
  }

  @Test func aFolderOfOthersIsRefused() throws {
    try merge.write(to: target, .part(1, of: 2), replacing: false)
    let folder = try #require(waiting)
    func expect(_ fault: FolderFault) throws {
      let error = #expect(throws: StorageError.self) {
        try merge.write(to: target, replacing: false)
      }
      #expect(error == .folderNotOwn(folder, fault))
      #expect(!FileManager.default.fileExists(atPath: target.string))
    }
    for mode in [0o777, 0o770, 0o707, 0o720] {
      try setMode(mode, of: folder)
      try expect(.isOpenToOthers)
    }
    try setMode(0o700, of: folder)
    if getuid() == 0 {
      let owner = FileAttributeKey.ownerAccountID
      try FileManager.default.setAttributes([owner: 4242], ofItemAtPath: folder.string)
      try expect(.belongsToOther)
      try FileManager.default.setAttributes([owner: 0], ofItemAtPath: folder.string)
    }
    let kept = self.folder.appending("kept").string
    try FileManager.default.moveItem(atPath: folder.string, toPath: kept)
    try FileManager.default.createSymbolicLink(atPath: folder.string, withDestinationPath: kept)
    try expect(.isNoFolder)
    try FileManager.default.removeItem(atPath: folder.string)
    try folder.write([1])
    try expect(.isNoFolder)
    try FileManager.default.removeItem(atPath: folder.string)
    try FileManager.default.moveItem(atPath: kept, toPath: folder.string)
    try merge.write(to: target, replacing: false)
    #expect(try target.files == whole)
  }

  /// While it is being filled nobody else can look into it, whatever the result will allow.
  @Test func aFolderThatIsFilledIsItsMakersAlone() throws {
    try merge.write(to: target, .part(1, of: 2), replacing: false)
    let path = try #require(waiting)
    let mode = try FileManager.default.attributesOfItem(atPath: path.string)[.posixPermissions]
    #expect(mode as? NSNumber == 0o700)
  }

  // MARK: - Whose base it is

  /// Archives and images give their files one time, and models of one architecture have equal sizes.
  @Test func anotherBaseOfTheSameSizesAndTimesIsAnotherJob() throws {
    let time = Date(timeIntervalSince1970: 1)
    func copy(_ name: String, changing: Bool) throws -> Checkpoint {
      let path = try folder.copy(base.path, to: name)
      for shard in base.shards {
        let file = path.appending(shard.name)
        var bytes = try file.contents
        if changing { bytes[bytes.count - 1] ^= 1 }
        try file.write(bytes)
        try FileManager.default.setAttributes(
          [.modificationDate: time], ofItemAtPath: file.string)
      }
      return try Checkpoint(path)
    }
    func merge(_ base: Checkpoint) throws -> Merge {
      let stack = [WeightedAdapter(adapter)]
      return Merge(
        try AdaptedCheckpoint(base, applying: stack, policy: .init(otherBase: .allow)))
    }
    let (first, second) = (
      try copy("first", changing: false), try copy("second", changing: true)
    )
    try merge(second).write(to: folder.appending("wanted"), replacing: false)
    try merge(first).write(to: target, .part(1, of: 2), replacing: false)
    let receipt = try merge(second).write(to: target, replacing: false)
    #expect(receipt.resumedShards.isEmpty)
    #expect(try target.files == folder.appending("wanted").files)
  }

  // MARK: - Several at once

  /// A process that is at work has the folder to itself, but for those that write other parts.
  @Test func theJobIsLockedWhileAProcessIsAtWork() throws {
    let errors = Mutex<[StorageError?]>([])
    @Sendable func attempt(_ scope: Merge.Scope) {
      do {
        try merge.write(to: target, scope, replacing: false)
        errors.withLock { $0.append(nil) }
      } catch {
        errors.withLock { $0.append(error as? StorageError) }
      }
    }
    let isFirst = Atomic<Bool>(true)
    try merge.write(to: target, .part(1, of: 3), replacing: false) { _, _ in
      guard isFirst.exchange(false, ordering: .relaxed) else { return }
      attempt(.all)
      attempt(.finish)
      attempt(.part(2, of: 3))
    }
    #expect(errors.withLock { $0 } == [.outputBusy(target), .outputBusy(target), nil])
    try merge.write(to: target, .part(3, of: 3), replacing: false)
    try merge.write(to: target, .finish, replacing: false)
    #expect(try target.files == whole)
    #expect(folder.names == ["out", "whole"])
  }
}

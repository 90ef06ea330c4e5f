import AdapterRuntime
import Checkpoints
import Foundation
import Operations
import Storage
import StrictJSON
import SystemPackage
import TestSupport

/// The folder of a merge that was begun, changed in every way: what comes of it is the merge, or nothing.
///
/// An input is a byte for what is asked of the merge, and three for each change: what is done, to which file, and where
/// or with what.
enum JobBody {
  /// A merge of three shards: one is changed, one as a matrix is not, one stays.
  private struct Case {
    let view: AdaptedCheckpoint
    let names: [String]
    let folder: TemporaryFolder
    let wanted: [String: [UInt8]]

    init() throws {
      folder = try TemporaryFolder()
      let base = folder.appending("base")
      try FileManager.default.createDirectory(
        atPath: base.string, withIntermediateDirectories: false)
      var index: [String] = []
      for number in 0..<3 {
        var shard = HandMadeCheckpoint()
        shard.add(Name("l.\(number).weight"), [4, 4], (0..<16).map { Float($0 + number) })
        let name = "model-0000\(number + 1)-of-00003.safetensors"
        try base.appending(name).write(shard.bytes)
        index.append("\"l.\(number).weight\": \"\(name)\"")
      }
      let text = "{\"metadata\": {}, \"weight_map\": {\(index.joined(separator: ", "))}}"
      try base.appending("model.safetensors.index.json").write(Array(text.utf8))
      var made = HandMadeAdapter()
      let delta = made.operand("d", [4, 4], (0..<16).map { Float($0) / 16 })
      for number in 0..<2 {
        try made.append(
          Add(target: Target(Name("l.\(number).weight")), delta: delta, scale: 1))
      }
      let checkpoint = try Checkpoint(base)
      view = try AdaptedCheckpoint(checkpoint, applying: [WeightedAdapter(made.adapter)])
      let shards = checkpoint.shards.map(\.name)
      names =
        shards + shards.map(OutputFolder.companion) + [
          "model.safetensors.index.json", ".\(shards[0]).1-a.tmp", "config.json", "x.py",
        ]
      try Merge(view).write(to: folder.appending("want"), replacing: false)
      wanted = try Self.files(folder.appending("want"))
    }

    static func files(_ path: FilePath) throws -> [String: [UInt8]] {
      var files: [String: [UInt8]] = [:]
      for name in try FileManager.default.contentsOfDirectory(atPath: path.string) {
        files[name] = try path.appending(name).contents
      }
      return files
    }
  }

  private static let made = Result { try Case() }

  static func run(_ bytes: [UInt8]) throws(BrokenProperty) -> Bool {
    let made = try BrokenProperty.unlessHolds("there is a merge") { try Self.made.get() }
    let folder = try BrokenProperty.unlessHolds("there is a folder") { try TemporaryFolder() }
    let target = folder.appending("out")
    let merge = Merge(made.view)
    let first = bytes.first ?? 0
    try BrokenProperty.unlessHolds("a merge is begun") {
      for part in 1...Int(first % 3) + 1 {
        try merge.write(to: target, .part(part, of: 3), replacing: false)
      }
    }
    let job = folder.appending(folder.names.first ?? "")
    let changes = Array(bytes.dropFirst())
    for start in stride(from: 0, to: min(changes.count / 3, 32) * 3, by: 3) {
      change(job, made.names, changes[start], changes[start + 1], changes[start + 2])
    }
    let scope: Merge.Scope = first & 0x80 == 0 ? .all : .finish
    guard (try? merge.write(to: target, scope, replacing: false)) != nil else {
      try BrokenProperty.unless(!target.exists, "a merge that fails has a result")
      return false
    }
    let files = try BrokenProperty.unlessHolds("a result is read") { try Case.files(target) }
    try BrokenProperty.unless(files == made.wanted, "a result that is not the merge")
    try BrokenProperty.unless(folder.names == ["out"], "a merge leaves something else")
    return true
  }

  /// Does something to a file of the folder, or to the folder; where it cannot be done, nothing.
  private static func change(
    _ job: FilePath, _ names: [String], _ what: UInt8, _ which: UInt8, _ argument: UInt8
  ) {
    let path = job.appending(names[Int(which) % names.count])
    let other = job.appending(names[Int(argument) % names.count]).string
    let files = FileManager.default
    if what % 12 < 6 {
      guard let bytes = edited((try? path.contents) ?? [], what, argument) else { return }
      return (try? path.write(bytes)) ?? ()
    }
    if what % 12 == 11 {
      let mode = 0o700 | Int(argument & 0o77)
      try? files.setAttributes([.posixPermissions: mode], ofItemAtPath: job.string)
      return
    }
    try? files.removeItem(atPath: path.string)
    switch what % 12 {
    case 6: try? files.copyItem(atPath: other, toPath: path.string)
    case 7: try? files.moveItem(atPath: other, toPath: path.string)
    case 8: try? files.createSymbolicLink(atPath: path.string, withDestinationPath: other)
    case 9:
      try? files.createDirectory(atPath: path.string, withIntermediateDirectories: false)
    default: break
    }
  }

  /// Other bytes of a file; nil where it has none to change.
  private static func edited(_ bytes: [UInt8], _ what: UInt8, _ argument: UInt8) -> [UInt8]? {
    var bytes = bytes
    let place = Int(argument) * bytes.count / 256
    switch what % 12 {
    case 0: bytes.append(argument)
    case 1: bytes = Array(repeating: argument, count: Int(what))
    case _ where bytes.isEmpty: return nil
    case 2: bytes[place] ^= 1 << (what >> 5)
    case 3: bytes.removeLast(1 + place)
    case 4: bytes.removeSubrange(place...)
    default:
      bytes.replaceSubrange(place..<min(place + 9, bytes.count), with: Array("--------\n".utf8))
    }
    return bytes
  }
}

/// Other changes, more of them or less.
enum JobMutation {
  static func mutate(_ bytes: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
    var bytes = bytes
    for _ in 0..<Int.random(in: 1...4, using: &random) {
      let place = Int.random(in: 0...bytes.count, using: &random)
      let byte = UInt8.random(in: .min ... .max, using: &random)
      switch Int.random(in: 0..<3, using: &random) {
      case 0: bytes.insert(byte, at: place)
      case 1 where place < bytes.count: bytes[place] = byte
      case 2 where place < bytes.count: bytes.remove(at: place)
      default: bytes += [byte, byte &* 31, byte &* 17]
      }
    }
    return bytes
  }
}

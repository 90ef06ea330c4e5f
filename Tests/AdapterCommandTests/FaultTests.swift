import Foundation
import SystemPackage
import TestSupport
import Testing

/// A command that writes, with its inputs and the output in one folder.
private struct WritingCommand: CustomTestStringConvertible, Sendable {
  let testDescription: String
  /// What is done first, with `in` and `out` not there yet. `adapter` is the command.
  let preparation: String
  /// Its arguments; a word that begins with `in`, or is `out` or `undo`, is a path in the folder.
  let arguments: [String]

  init(_ name: String, _ preparation: String, _ arguments: String) {
    testDescription = name
    self.preparation = preparation
    self.arguments = arguments.split(separator: " ").map(String.init)
  }

  static let all: [WritingCommand] = {
    let (peft, bases) = (
      Repository.fixtures.appending("peft"), Repository.fixtures.appending("bases")
    )
    let tuned = Repository.fixtures.appending("bitfit/f32_small/tuned.safetensors")
    let file = "adapter convert \(peft)/gpt2_default -o in/a.adp"
    return [
      .init(
        "convert", "cp -r \(peft)/gpt2_default in/peft; cp -r \(bases)/tiny-gpt2 in/base",
        "convert in/peft --base in/base -o out"),
      .init("convert back", file, "convert in/a.adp -o out"),
      .init("pack a folder", "\(file); adapter unpack in/a.adp -o in/f", "pack in/f -o out"),
      .init("pack files", "\(file); cp in/a.adp in/b.adp", "pack in/a.adp in/b.adp -o out"),
      .init("unpack", file, "unpack in/a.adp -o out"),
      .init(
        "merge a file", "\(file); cp -r \(bases)/tiny-gpt2 in/base",
        "merge in/base/model.safetensors in/a.adp -o out"),
      .init(
        "merge shards", "cp -r \(peft)/llama_all in/peft; cp -r \(bases)/tiny-llama in/base",
        "merge in/base in/peft -o out"),
      .init(
        "merge a file and its undo", "\(file); cp -r \(bases)/tiny-gpt2 in/base",
        "merge in/base/model.safetensors in/a.adp -o out --undo undo"),
      .init(
        "merge shards and their undo",
        "cp -r \(peft)/llama_all in/peft; cp -r \(bases)/tiny-llama in/base",
        "merge in/base in/peft -o out --undo undo"),
      .init(
        "extract", "cp -r \(bases)/tiny-bias in/base; cp \(tuned) in/tuned.safetensors",
        "extract in/base in/tuned.safetensors --method bitfit -o out"),
      .init("report", file, "inspect in/a.adp --html out"),
    ]
  }()
}

/// Whatever happens to a command that writes, its target is the old one or the new one.
@Suite(.enabled(if: FaultInjector.isThere)) struct FaultTests {
  private let folder: TemporaryFolder
  private let faults: FaultInjector

  init() throws {
    folder = try TemporaryFolder()
    faults = try FaultInjector(below: folder.path)
  }

  // MARK: - The command

  private struct Prepared {
    let arguments: [String]
    /// What an undisturbed run writes.
    let result: [String: [UInt8]]
  }

  private func prepare(_ command: WritingCommand) throws -> Prepared {
    let lines = "mkdir in work\n\(command.preparation)"
    let prepared = try Command.shell(lines, in: folder.path)
    #expect(prepared.status == 0, "\(prepared.errors)")
    let arguments = command.arguments.map { word in
      ["out", "undo"].contains(word)
        ? folder.appending("work/\(word)").string
        : word.hasPrefix("in/") ? folder.appending(word).string : word
    }
    #expect(try Command.run(Command.adapter, arguments).status == 0)
    let result = try files(in: "work")
    try clear()
    return Prepared(arguments: arguments, result: result)
  }

  /// Every file below a folder, and its bytes; of folders the name.
  private func files(in name: String) throws -> [String: [UInt8]] {
    let start = folder.appending(name)
    var files: [String: [UInt8]] = [:]
    for path in Repository.files(below: start, suffix: "") {
      var isFolder: ObjCBool = false
      _ = unsafe FileManager.default.fileExists(atPath: path.string, isDirectory: &isFolder)
      let relative = String(path.string.dropFirst(start.string.utf8.count))
      files[relative] = isFolder.boolValue ? [] : try path.contents
    }
    return files
  }

  private func clear() throws {
    try FileManager.default.removeItem(atPath: folder.appending("work").string)
    try FileManager.default.createDirectory(
      atPath: folder.appending("work").string, withIntermediateDirectories: false)
  }

  /// Puts a target there that holds the same files, with other bytes.
  private func putOld(_ result: [String: [UInt8]]) throws -> [String: [UInt8]] {
    try clear()
    for (name, bytes) in result.sorted(by: { $0.key < $1.key }) {
      if bytes.isEmpty {
        try FileManager.default.createDirectory(
          atPath: folder.appending("work" + name).string, withIntermediateDirectories: true)
      } else {
        try folder.write([1, 2, 3], to: "work" + name)
      }
    }
    return try files(in: "work")
  }

  /// Some of the calls, the first ones and the last ones among them.
  private func places(_ count: Int, atMost limit: Int) -> [Int] {
    guard count > limit else { return Array(1...max(count, 1)) }
    return Set((0..<limit).map { 1 + $0 * (count - 1) / (limit - 1) }).sorted()
  }

  private func expectError(
    _ result: CommandResult, _ number: Int, _ location: SourceLocation = #_sourceLocation
  ) {
    let errors = result.errors.split(separator: "\n").filter { $0.hasPrefix("adapter: error: ") }
    #expect(
      result.status == 2 && errors.count == 1 && result.output.isEmpty,
      "call \(number): \(result.status) \(result.errors)", sourceLocation: location)
  }

  // MARK: - The tests

  /// The temporary file or folder stays, hidden beside the target: a killed process removes nothing.
  @Test(arguments: WritingCommand.all)
  fileprivate func killedAtAnyCallTheTargetIsTheOldOneOrTheNewOne(_ command: WritingCommand) throws
  {
    let prepared = try prepare(command)
    let count = try faults.count(.all, of: prepared.arguments)
    let inputs = try files(in: "in")
    try clear()
    for isThere in [false, true] {
      var seen = Set<Bool>()
      for number in places(count, atMost: 40) {
        let old = isThere ? try putOld(prepared.result) : [:]
        if !isThere { try clear() }
        let arguments = prepared.arguments + (isThere ? ["--force"] : [])
        let result = try faults.run(arguments, Fault(.kill, at: number))
        #expect([0, 128 + SIGKILL].contains(result.status), "\(result.status) \(result.errors)")
        let present = try files(in: "work")
        let shown = present.filter { !($0.key.hasPrefix("/.") && $0.key.contains(".tmp")) }
        let isNew = shown == prepared.result
        // Killed between two names, the undo alone has its own.
        let isUndo = shown == old.merging(prepared.result.filter { $0.key == "/undo" }) { $1 }
        #expect(isNew || isUndo || shown == old, "call \(number): \(shown.mapValues(\.count))")
        seen.insert(isNew)
      }
      // The calls counted are those that matter.
      #expect(seen.contains(false))
    }
    #expect(try files(in: "in") == inputs)
  }

  /// A full disk stays full; a broken one fails once. Nothing is left, and what was there is there.
  @Test(arguments: WritingCommand.all)
  fileprivate func whereAWriteFailsNothingIsLeft(_ command: WritingCommand) throws {
    let prepared = try prepare(command)
    let count = try faults.count(.writes, of: prepared.arguments)
    for (code, stays, isThere) in [
      (Errno.noSpace, true, false), (.ioError, false, true), (.permissionDenied, true, false),
    ] {
      let old = isThere ? try putOld(prepared.result) : [:]
      for number in places(count, atMost: 30) {
        if !isThere { try clear() }
        let arguments = prepared.arguments + (isThere ? ["--force"] : [])
        let result = try faults.run(
          arguments, Fault(.error(code), .writes, at: number, stays: stays))
        let present = try files(in: "work")
        if result.status == 0 {
          // What the kernel does not copy is read and written; the folder's own sync is after the end.
          #expect(present == prepared.result, "call \(number)")
          if isThere { _ = try putOld(prepared.result) }
        } else {
          expectError(result, number)
          #expect(result.errors.contains("cannot write"), "\(result.errors)")
          #expect(present == old, "call \(number): \(present.mapValues(\.count))")
        }
      }
    }
  }

  @Test(arguments: WritingCommand.all)
  fileprivate func whereAReadFailsNothingIsLeft(_ command: WritingCommand) throws {
    let prepared = try prepare(command)
    let count = try faults.count(.reads, of: prepared.arguments)
    for number in places(count, atMost: 40) {
      try clear()
      let result = try faults.run(prepared.arguments, Fault(.error(.ioError), .reads, at: number))
      let present = try files(in: "work")
      if result.status == 0 {
        #expect(present == prepared.result, "call \(number)")
      } else {
        expectError(result, number)
        #expect(result.errors.contains("input/output error"), "call \(number): \(result.errors)")
        #expect(present == [:], "call \(number): \(present.mapValues(\.count))")
      }
    }
  }

  /// Calls may do less than they are asked to, and be interrupted.
  @Test(arguments: WritingCommand.all)
  fileprivate func callsThatDoHalfTheWorkAreCalledAgain(_ command: WritingCommand) throws {
    let prepared = try prepare(command)
    var faults = [Fault(.short, at: 1, stays: true)]
    let count = try self.faults.count(.interruptible, of: prepared.arguments)
    faults += places(count, atMost: 20).map { Fault(.error(.interrupted), .interruptible, at: $0) }
    for fault in faults {
      try clear()
      let result = try self.faults.run(prepared.arguments, fault)
      #expect(result.status == 0, "\(fault): \(result.errors)")
      #expect(try files(in: "work") == prepared.result)
    }
  }

  /// File systems of other machines rename, and neither refuse to replace nor exchange two names.
  @Test(arguments: WritingCommand.all)
  fileprivate func aFileSystemMayOnlyRename(_ command: WritingCommand) throws {
    let prepared = try prepare(command)
    let fault = Fault(.plainRenames, at: 0)
    let result = try faults.run(prepared.arguments, fault)
    #expect(result.status == 0, "\(result.errors)")
    #expect(try files(in: "work") == prepared.result)
    let old = try putOld(prepared.result)
    expectError(try faults.run(prepared.arguments, fault), 0)
    #expect(try files(in: "work") == old)
    let replacing = try faults.run(prepared.arguments + ["--force"], fault)
    #expect(replacing.status == 0, "\(replacing.errors)")
    #expect(try files(in: "work") == prepared.result)
  }

  /// A file so large that it is written past the page cache, of which most is a hole in the base.
  @Test func aLargeMergeIsWholeOrNotThere() throws {
    let command = WritingCommand(
      "a large merge",
      """
      python3 - <<'end'
      import json, struct
      def write(path, tensors, size):
          text = json.dumps(tensors).encode()
          with open(path, "wb") as file:
              file.write(struct.pack("<Q", len(text)) + text)
              file.truncate(8 + len(text) + size)
      import os
      os.makedirs("in/f")
      count = 1 << 25
      write("in/base.safetensors", {"w": {"dtype": "BF16", "shape": [1 << 13, 1 << 12], "data_offsets": [0, 2 * count]},
            "x": {"dtype": "U8", "shape": [9_000_001], "data_offsets": [2 * count, 2 * count + 9_000_001]}}, 2 * count + 9_000_001)
      write("in/f/tensors.safetensors", {"d": {"dtype": "F32", "shape": [1 << 13, 1 << 12], "data_offsets": [0, 4 * count]}}, 4 * count)
      add = {"op": "add", "target": "w", "tensors": {"delta": "d"}, "scale": 1}
      json.dump({"adapters": [{"name": "a", "method": "test", "operations": [add]}]}, open("in/f/manifest.json", "w"))
      end
      adapter pack in/f -o in/a.adp; rm -r in/f
      """, "merge in/base.safetensors in/a.adp -o out")
    let prepared = try prepare(command)
    let count = try faults.count(.writes, of: prepared.arguments)
    #expect(count > 18)
    for fault in [Fault.Kind.kill, .error(.noSpace), .error(.invalidArgument), .short] {
      for number in places(count, atMost: 3) {
        try clear()
        let result = try faults.run(
          prepared.arguments, Fault(fault, .writes, at: number, stays: true))
        let present = try files(in: "work").filter { !$0.key.hasPrefix("/.out.") }
        // The last call comes after the file has its name.
        let isWhole = present == prepared.result
        #expect(isWhole || (present.isEmpty && result.status != 0), "\(fault) at call \(number)")
      }
    }
  }

  @Test(arguments: WritingCommand.all)
  fileprivate func anInputThatShrinksIsAnError(_ command: WritingCommand) throws {
    let prepared = try prepare(command)
    let kept = try folder.copy(folder.appending("in"), to: "kept")
    let count = try faults.count(.reads, of: prepared.arguments)
    var shrunk = 0
    for number in places(count, atMost: 40) {
      try clear()
      let result = try faults.run(prepared.arguments, Fault(.truncate, .reads, at: number))
      let present = try files(in: "work")
      if result.errors.contains("became shorter while it was read") {
        shrunk += 1
        expectError(result, number)
        #expect(present == [:])
      } else {
        // A call that reads nothing of an input: it opened one, or read back what was written.
        #expect(
          result.status == 0 && present == prepared.result, "call \(number): \(result.errors)")
      }
      try FileManager.default.removeItem(atPath: folder.appending("in").string)
      try FileManager.default.copyItem(atPath: kept.string, toPath: folder.appending("in").string)
    }
    #expect(shrunk > 0)
  }
}

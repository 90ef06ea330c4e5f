import Dispatch
import Foundation
import Storage
import SystemPackage
import TestSupport
import Testing

/// Several processes that make one output at the same time.
@Suite struct AtOnceTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try folder.copy(Repository.base("tiny-llama"), to: "base")
    try folder.copy(Repository.peft("llama_all"), to: "peft")
  }

  /// Runs commands at the same time.
  ///
  /// - Returns: the exit status of each, and what it wrote to standard error.
  private func race(_ commands: [String]) throws -> [(status: Int, errors: String)] {
    let runs = commands.enumerated().map { number, command in
      "(adapter \(command) 2> errors\(number); echo $? > status\(number)) &"
    }
    #expect(
      try Command.shell((runs + ["wait"]).joined(separator: "\n"), in: folder.path).status == 0)
    return try commands.indices.map { number in
      let status = String(decoding: try folder.appending("status\(number)").contents, as: UTF8.self)
      let errors = try folder.appending("errors\(number)").contents
      return (
        Int(status.trimmingCharacters(in: .newlines)) ?? -1, String(decoding: errors, as: UTF8.self)
      )
    }
  }

  private func remove(_ names: String...) throws {
    for name in names where folder.appending(name).exists {
      try FileManager.default.removeItem(atPath: folder.appending(name).string)
    }
  }

  /// Nothing is left but the outputs, and what the tests themselves have put there.
  private func expectNothingElse(_ names: String..., location: SourceLocation = #_sourceLocation) {
    let present = folder.names.filter { !$0.hasPrefix("errors") && !$0.hasPrefix("status") }
    #expect(present == (["base", "peft"] + names).sorted(), sourceLocation: location)
  }

  @Test(arguments: ["", " --force"])
  func ofTheSameMergeOneMakesTheResult(_ options: String) throws {
    let merge = "merge base peft -o out --undo undo.adp\(options)"
    #expect(try Command.shell("adapter \(merge)", in: folder.path).status == 0)
    let (wanted, undo) = (
      try folder.appending("out").files, try folder.appending("undo.adp").contents
    )
    for _ in 0..<8 {
      if options.isEmpty { try remove("out", "undo.adp") }
      let results = try race(Array(repeating: merge, count: 3))
      #expect(try folder.appending("out").files == wanted)
      #expect(try folder.appending("undo.adp").contents == undo)
      #expect(results.contains { $0.status == 0 })
      for (status, errors) in results where status != 0 {
        let isTold =
          errors.contains("another process is writing out: wait until it has ended")
          || errors.contains("another process has finished out meanwhile")
          || errors.contains("out exists") || errors.contains("undo.adp exists")
        #expect(status == 2 && isTold && !errors.contains(".tmp"), "\(errors)")
      }
      expectNothingElse("out", "undo.adp")
    }
  }

  /// Different merges of one output: it is one of them, whole.
  @Test func ofTwoMergesOneMakesTheResult() throws {
    let merges = ["merge base peft -o out", "merge base peft:0.5 -o out"]
    var wanted: [[String: [UInt8]]] = []
    for merge in merges {
      #expect(try Command.shell("adapter \(merge)", in: folder.path).status == 0)
      wanted.append(try folder.appending("out").files)
      try remove("out")
    }
    for _ in 0..<8 {
      try remove("out")
      let results = try race(merges)
      let result = try folder.appending("out").files
      #expect(results.map(\.status).sorted() == [0, 2])
      let winner = try #require(results.firstIndex { $0.status == 0 })
      #expect(result == wanted[winner])
      let errors = results[1 - winner].errors
      #expect(errors.contains("out exists") && !errors.contains(".tmp"), "\(errors)")
      expectNothingElse("out")
    }
  }

  /// Parts that are written at once, one of them by two processes.
  @Test func partsMayBeWrittenAtOnce() throws {
    #expect(try Command.shell("adapter merge base peft -o out", in: folder.path).status == 0)
    let wanted = try folder.appending("out").files
    for _ in 0..<4 {
      try remove("out")
      let results = try race([1, 2, 3, 3].map { "merge base peft -o out --part \($0)/3" })
      for (status, errors) in results { #expect(status == 0, "\(errors)") }
      let end = try Command.shell("adapter merge base peft -o out --finish", in: folder.path)
      #expect(end.status == 0, "\(end.errors)")
      #expect(try folder.appending("out").files == wanted)
      expectNothingElse("out")
    }
  }

  /// A merge that another one comes upon while it begins or ends is not one that was left: the other would tell its
  /// user of a folder that is gone a moment later.
  @Test func jobsThatBeginAndEndAreNotAbandoned() throws {
    let target = folder.appending("out")
    let tag = "merge-0123456789abcdef"
    let (begun, ended) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
    DispatchQueue.global().async {
      begun.signal()
      for number in 0..<400 {
        guard
          let output = try? OutputFolder(
            target, names: ["file"], replacing: false, inputs: [], lifetime: .job(tag)),
          number.isMultiple(of: 2)
        else { continue }
        try? output.file("file").commit()
        guard (try? output.commit()) != nil else { continue }
        try? FileManager.default.removeItem(atPath: target.string)
      }
      ended.signal()
    }
    begun.wait()
    while ended.wait(timeout: .now()) == .timedOut {
      #expect(AbandonedFolders.all(ofKind: "merge-", beside: target).isEmpty)
    }
    expectNothingElse()
  }
}

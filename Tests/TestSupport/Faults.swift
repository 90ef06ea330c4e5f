import Foundation
package import SystemPackage

/// A disturbance of one call on a file (Tests/Faults/faults.c).
package struct Fault: Sendable {
  /// The effect of the fault on the call.
  package enum Kind: Sendable {
    /// The process is killed before it.
    case kill
    /// It fails with this error.
    case error(Errno)
    /// It does half of what it was asked to.
    case short
    /// The file that it reads ends where it reads.
    case truncate
    /// No call fails, but for renames that refuse to replace or that exchange.
    case plainRenames
  }

  /// Which calls count.
  package enum Calls: String, Sendable {
    case reads = "r"
    /// Those that make folders and rename included.
    case writes = "wn"
    /// Those that a signal can interrupt.
    case interruptible = "rw"
    case all = "rwn"
  }

  private let kind: Kind
  private let calls: Calls
  private let number: Int
  private let stays: Bool

  /// - Parameters:
  ///   - kind: what happens.
  ///   - calls: which calls count.
  ///   - number: at which of them, from 1 on; 0 for none.
  ///   - stays: whether it happens at all that follow as well.
  package init(_ kind: Kind, _ calls: Calls = .all, at number: Int, stays: Bool = false) {
    self.kind = kind
    self.calls = calls
    self.number = number
    self.stays = stays
  }

  /// For the library.
  fileprivate var environment: [String: String] {
    let word =
      switch kind {
      case .kill: "kill"
      case .error(let code): "\(code.rawValue)"
      case .short: "short"
      case .truncate: "truncate"
      case .plainRenames: "plain"
      }
    return [
      "FAULT_KIND": word, "FAULT_ON": calls.rawValue, "FAULT_AT": "\(number)",
      "FAULT_STAYS": stays ? "1" : "0",
    ]
  }
}

/// Runs the command under test with a fault in its calls on files below a folder.
package struct FaultInjector: Sendable {
  /// True if faults can be injected here: the library needs Linux.
  package static var isThere: Bool {
    #if os(Linux)
      true
    #else
      false
    #endif
  }

  private static let compiled = Result { try Library() }
  private let library: Library
  private let folder: FilePath

  /// - Parameter folder: calls on files below it count, no other.
  /// - Throws: where the library cannot be compiled.
  package init(below folder: FilePath) throws {
    library = try Self.compiled.get()
    self.folder = folder
  }

  /// Runs the command with a fault.
  package func run(_ arguments: [String], _ fault: Fault) throws -> CommandResult {
    try Command.run(
      Command.adapter, arguments, environment: environment.merging(fault.environment) { $1 })
  }

  /// How many calls an undisturbed run makes.
  package func count(_ calls: Fault.Calls, of arguments: [String]) throws -> Int {
    let temporary = try TemporaryFolder()
    let log = temporary.appending("log")
    let fault = Fault(.kill, calls, at: 0)
    let settings = environment.merging(fault.environment) { $1 }.merging(
      ["FAULT_LOG": log.string]
    ) { $1 }
    let result = try Command.run(Command.adapter, arguments, environment: settings)
    guard result.status == 0 else { throw FaultError(text: result.errors) }
    return try log.contents.count
  }

  private var environment: [String: String] {
    ["LD_PRELOAD": library.path.string, "FAULT_BELOW": folder.string]
  }
}

/// The library, compiled anew for each run of the tests.
private struct Library {
  let path = Command.adapter.removingLastComponent().appending("faults.so")

  init() throws {
    let source = Repository.root.appending("Tests/Faults/faults.c")
    var errors = ""
    for compiler in ["clang", "cc"] {
      let result = try Command.run(
        "/usr/bin/env", [compiler, "-shared", "-fPIC", "-o", path.string, source.string])
      guard result.status != 0 else { return }
      errors += result.errors
    }
    throw FaultError(text: errors)
  }
}

private struct FaultError: Error {
  let text: String
}

import Foundation
import SystemPackage
import TestSupport
import Testing

/// The real PEFT loads what comes back, and the merged model answers as PEFT's does; where a Python with
/// PEFT is named (`sh .ci/peft` makes one).
@Suite struct PEFTLibraryTests {
  private static let python = ProcessInfo.processInfo.environment["ADAPTER_PEFT_PYTHON"]

  @Test(.enabled(if: python != nil, "ADAPTER_PEFT_PYTHON names no Python with PEFT"))
  func thePEFTLibraryAgreesOnEveryFixture() throws {
    let script = Repository.root.appending("Tests/Library/check_peft.py")
    let result = try Command.run(
      "/usr/bin/env",
      ["ADAPTER=\(Command.adapter)", try #require(Self.python), script.string])
    #expect(result.status == 0, "\(result.output)")
    #expect(result.output.split(separator: "\n").count == PEFTCase.all.count + 1)
  }
}

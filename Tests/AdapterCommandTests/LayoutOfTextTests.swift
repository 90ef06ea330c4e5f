import SystemPackage
import TestSupport
import Testing

/// What people read fits a terminal of 80 columns, whatever the adapter.
@Suite struct LayoutOfTextTests {
  private func expectNarrow(_ result: CommandResult, _ what: String) {
    for line in result.output.split(separator: "\n") where line.count > 80 {
      // Paths, digests and the names of whole files stand as they are.
      guard !line.contains("/"), line.contains("  ") else { continue }
      Issue.record("\(what): \(line.count) columns: \(line)")
    }
  }

  @Test(arguments: PEFTCase.all)
  func inspectFits(_ fixture: PEFTCase) throws {
    let needed = fixture.needsBase ? ["--base", fixture.basePath.string] : []
    let result = try Command.run(
      Command.adapter, ["inspect", fixture.path.string, "--spectrum", "--tensors"] + needed)
    #expect(result.status == 0, "\(result.errors)")
    expectNarrow(result, fixture.name)
  }

  @Test(arguments: EffectPair.all)
  func diffFits(_ pair: EffectPair) throws {
    let result = try Command.adapter("diff", pair.left.string, pair.right.string, "--angles")
    #expect(result.status == (pair.isSameEffect ? 0 : 1), "\(result.errors)")
    expectNarrow(result, "\(pair)")
  }

  /// A folder and the file made of it are the same adapter, whatever its method.
  @Test(arguments: PEFTCase.all)
  func aFolderAndItsFileAreTheSame(_ fixture: PEFTCase) throws {
    let folder = try TemporaryFolder()
    let file = folder.appending("a.adp").string
    let order = fixture.name == "bloom_prefix" ? ["--prefix-order", "interleaved"] : []
    let needed = fixture.needsBase ? ["--base", fixture.basePath.string] : []
    let made = try Command.run(
      Command.adapter, ["convert", fixture.path.string, "-o", file] + order + needed)
    #expect(made.status == 0, "\(made.errors)")
    let result = try Command.run(
      Command.adapter, ["diff", fixture.path.string, file, "--json"] + needed)
    #expect(result.status == 0, "\(result.errors)")
    // With its base the file records that, too.
    let verdict = fixture.needsBase ? "same_weights" : "same"
    #expect(result.output.contains("\"verdict\": \"\(verdict)\""), "\(result.output.prefix(600))")
  }
}

import SystemPackage
import TestSupport
import Testing

/// `diff` never says "the same" of what it could not compare.
@Suite struct DiffVerdictTests {
  private static func valid(_ name: String) -> String {
    Repository.fixtures.appending("valid").appending("\(name).adp").string
  }

  /// Files of which one has, beside the weights or in words of a later version, what the other has not.
  @Test(arguments: [
    ("ops_prepend_embeddings", "empty_adapter"), ("ops_prepend_kv", "empty_adapter"),
    ("opaque_op", "empty_adapter"), ("opaque_op", "opaque_code"),
    ("ops_opaque_replace", "ops_replace"),
  ])
  func whatCannotBeComparedDiffers(_ left: String, _ right: String) throws {
    for (mine, theirs) in [(left, right), (right, left)] {
      let result = try Command.adapter("diff", Self.valid(mine), Self.valid(theirs))
      #expect(result.status == 1, "\(result.output)\(result.errors)")
    }
  }

  @Test(arguments: ["opaque_op", "ops_prepend_kv", "ops_opaque_replace", "empty_adapter"])
  func aFileIsTheSameAsItself(_ name: String) throws {
    let result = try Command.adapter("diff", Self.valid(name), Self.valid(name))
    #expect(result.status == 0, "\(result.output)\(result.errors)")
  }
}

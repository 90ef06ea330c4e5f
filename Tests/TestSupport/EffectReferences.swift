package import StrictJSON
package import SystemPackage
import Testing

/// The result of dense matrices in float64 for a change (Fixtures/effects.json; its maker is Fixtures/makers/effects).
package struct DenseChange: Sendable {
  /// The stored tensor.
  package let name: Name
  /// `matrix`, `vector`, `resized` or `created`.
  package let kind: String
  private let members: JSONFields

  /// A number of it.
  package subscript(_ key: String) -> Double? { members[key]?.double }
  /// Its singular values above 1e-10 of the largest.
  package var sigma: [Double] { members.numbers("sigma") }

  /// The changes of a case.
  package static func all(of name: String) throws -> [DenseChange] {
    let file = try JSONFields(try Repository.fixtures.appending("effects.json").contents)
    guard let own = try file.object("cases")[name] else { return [] }
    let fields = try JSONFields(own)
    guard fields["targets"] != nil else { return [] }
    return try fields.object("targets").map { key, value in
      let members = try JSONFields(value)
      return DenseChange(name: Name(key), kind: try members.string("kind"), members: members)
    }
  }
}

/// A pair of adapters below Fixtures/effects and what dense matrices say of their distance.
package struct EffectPair: Sendable, CustomTestStringConvertible {
  /// One adapter's folder.
  package let left: FilePath
  /// The other's.
  package let right: FilePath
  /// The subject of the comparison: `matrices`, `vectors`, `prompt` or `prefix`.
  package let kind: String
  /// True if they do the same.
  package let isSameEffect: Bool
  /// By target.
  package let targets: [String: Target]
  package let testDescription: String

  /// One target, or one row of a prompt or a prefix.
  package struct Target: Sendable {
    /// Its numbers.
    package let leftNorm, rightNorm, distance: Double
    /// Nil where a norm is 0.
    package let cosine: Double?
    /// In radians, ascending.
    package let columnAngles, rowAngles: [Double]
  }

  /// All pairs.
  package static let all: [EffectPair] = {
    do { return try load() } catch { preconditionFailure("pairs.json: \(error)") }
  }()

  private static func load() throws -> [EffectPair] {
    let folder = Repository.fixtures.appending("effects")
    let file = try JSONFields(try folder.appending("pairs.json").contents)
    guard case .array(let pairs) = file["pairs"] else { return [] }
    return try pairs.map { pair in
      let fields = try JSONFields(pair)
      let (x, y) = (try fields.string("x"), try fields.string("y"))
      return EffectPair(
        left: folder.appending(x), right: folder.appending(y), kind: try fields.string("kind"),
        isSameEffect: try fields.string("verdict") == "same_effect",
        targets: try fields.object("targets").mapValues { value in
          let members = try JSONFields(value)
          return Target(
            leftNorm: members["norm_x"]?.double ?? .nan,
            rightNorm: members["norm_y"]?.double ?? .nan,
            distance: members["distance"]?.double ?? .nan, cosine: members["cosine"]?.double,
            columnAngles: members.numbers("column_angles"), rowAngles: members.numbers("row_angles")
          )
        }, testDescription: "\(x) – \(y)")
    }
  }
}

/// Returns true if two numbers agree to a share of the larger, or of `scale`.
package func agree(
  _ left: Double, _ right: Double, _ tolerance: Double, scale: Double = 0
) -> Bool {
  abs(left - right) <= tolerance * max(abs(left), abs(right), scale)
}

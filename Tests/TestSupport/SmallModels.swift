import Foundation
internal import StrictJSON
import SystemPackage
package import Testing

/// A folder of models that fit on a page, and adapters for them, to try the command on; it begins with a Llama `base`.
package struct SmallModels {
  package let folder: TemporaryFolder
  /// A module that it has.
  package static let q = "model.layers.0.self_attn.q_proj"

  package init() throws {
    folder = try TemporaryFolder()
    try base("base")
    try folder.write(
      try folder.appending("base").appending("model.safetensors").contents, to: "base.safetensors")
  }

  /// Numbers that belong to a place in a tensor, small and of all signs.
  package func values(_ count: Int, _ seed: Int) -> [Float] {
    (0..<count).map { Float(($0 * 37 + seed * 11) % 17 - 8) / 8 }
  }

  package func tensors(_ shapes: [(String, [Int])], to name: String) throws {
    var made = HandMadeCheckpoint()
    for (seed, (tensor, shape)) in shapes.enumerated() {
      made.add(Name(tensor), shape, values(shape.reduce(1, *), seed))
    }
    let path = folder.path.pushing(FilePath(name))
    try FileManager.default.createDirectory(
      atPath: path.removingLastComponent().string, withIntermediateDirectories: true)
    try Data(made.bytes).write(to: URL(fileURLWithPath: path.string))
  }

  package func text(_ text: String, to name: String) throws {
    let path = folder.path.pushing(FilePath(name)).string
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
  }

  /// A Llama of 16 tokens and a width of 8.
  package func base(
    _ name: String, prefix: String = "model.", config: String = "{\"model_type\": \"llama\"}",
    and more: [(String, [Int])] = [("lm_head.weight", [16, 8])]
  ) throws {
    try tensors(
      [
        ("\(prefix)embed_tokens.weight", [16, 8]),
        ("\(prefix)layers.0.self_attn.q_proj.weight", [8, 8]),
        ("\(prefix)layers.1.self_attn.q_proj.weight", [8, 8]),
      ] + more, to: "\(name)/model.safetensors")
    try text(config, to: "\(name)/config.json")
  }

  /// An adapter of PEFT: the fields of a LoRA of rank 2, and others.
  package func peft(
    _ name: String, _ fields: String = "", _ shapes: [(String, [Int])]
  ) throws {
    try tensors(shapes, to: "\(name)/adapter_model.safetensors")
    try text(
      """
      {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["q_proj"]\(fields)}
      """, to: "\(name)/adapter_config.json")
  }

  /// The factors of a module, their names as a pattern has them: `@` is the module and the part.
  package static func lora(
    _ module: String = q, as pattern: String = "base_model.model.@.weight"
  ) -> [(String, [Int])] {
    [("lora_A", [2, 8]), ("lora_B", [8, 2])].map { part, shape in
      (pattern.replacing("@", with: "\(module).\(part)"), shape)
    }
  }

  package func run(_ line: String) throws -> CommandResult {
    try Command.shell("adapter \(line)", in: folder.path)
  }

  package func expectDone(
    _ line: String, says: String = "", location: SourceLocation = #_sourceLocation
  ) throws {
    let result = try run(line)
    #expect(
      result.status == 0 && (says.isEmpty || result.errors.contains(says)), "\(result.errors)",
      sourceLocation: location)
  }

  package func expectRefused(
    _ line: String, says: String..., location: SourceLocation = #_sourceLocation
  ) throws {
    let before = folder.names
    let result = try run(line)
    #expect(result.status == 2, sourceLocation: location)
    for says in says {
      #expect(result.errors.contains(says), "\(result.errors)", sourceLocation: location)
    }
    #expect(folder.names == before, sourceLocation: location)
  }

  package func expectSame(
    _ left: String, _ right: String, location: SourceLocation = #_sourceLocation
  ) throws {
    let (first, second) = (
      folder.path.pushing(FilePath(left)), folder.path.pushing(FilePath(right))
    )
    #expect(try first.contents == second.contents, sourceLocation: location)
  }

  package func peft(_ name: String, _ shapes: [(String, [Int])]) throws {
    try peft(name, "", shapes)
  }
}

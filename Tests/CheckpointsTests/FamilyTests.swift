import Checkpoints
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// What transformers told the maker of the table: Fixtures/makers/families.
private enum Recorded {
  static let folder = Repository.fixtures.appending("makers").appending("families")

  static func document(_ name: String) throws -> JSONValue {
    try JSONValue(document: folder.appending(name).contents, maximumDepth: 8)
  }

  /// A class whose parameters are recorded.
  struct Family: CustomTestStringConvertible {
    let type: Name
    let className: Name
    /// In memory → in files.
    let names: [Name: Name]
    /// Stacks in memory → the first experts' tensors in files.
    let stacks: [Name: Set<Name>]

    var testDescription: String { type.text }

    /// What a configuration of it says.
    func config(_ more: String = "") -> String {
      #"{"model_type":"\#(type)","architectures":["\#(className)"]\#(more)}"#
    }
  }

  static let families: [Family] =
    (try? document("names.json"))?.members.map { member in
      let names = member.value["names"]?.members.map { name in
        (name.key, name.value.text.map { Name($0) } ?? name.key)
      }
      let stacks = member.value["stacks"]?.members.map { ($0.key, Set($0.value.names)) }
      return Family(
        type: member.key, className: Name(member.value["class"]?.text ?? ""),
        names: Dictionary(uniqueKeysWithValues: names ?? []),
        stacks: Dictionary(uniqueKeysWithValues: stacks ?? []))
    } ?? []
}

extension JSONValue {
  fileprivate var members: [Member] { if case .object(let members) = self { members } else { [] } }
  fileprivate var elements: [JSONValue] {
    if case .array(let values) = self { values } else { [] }
  }
  fileprivate var text: String? { if case .string(let text) = self { text } else { nil } }
  fileprivate var names: [Name] { elements.compactMap { $0.text.map { Name($0) } } }
  fileprivate subscript(_ key: Name) -> JSONValue? { members.first { $0.key == key }?.value }
}

/// A checkpoint that stores F32 tensors of these shapes, and its configuration.
private func checkpoint(
  _ shapes: [Name: [Int]], config: String? = nil, in folder: TemporaryFolder
) throws -> Checkpoint {
  var base = HandMadeCheckpoint()
  for (name, shape) in shapes.sorted(by: { $0.key < $1.key }) {
    base.add(name, shape, [Float](repeating: 0, count: shape.reduce(1, *)))
  }
  return try base.write(to: folder, config: config)
}

@Suite struct FamilyTableTests {
  @Test func theCompiledTableIsTheRecordedOne() throws {
    let recorded = try Recorded.document("families.json")
    for (key, text) in [
      ("families", FamilyTable.families), ("names", FamilyTable.names),
      ("general", FamilyTable.general),
    ] as [(Name, String)] {
      let lines = try text.split(separator: "\n").map {
        try JSONValue(document: Array($0.utf8), maximumDepth: 8)
      }
      #expect(lines == recorded[key]?.elements)
    }
  }

  @Test func everyRowIsFound() throws {
    let rows = try #require(try Recorded.document("families.json")["families"]?.elements)
    #expect(rows.count > 700)
    for row in rows {
      let type = try #require(row["type"]?.text)
      let family = try #require(ModelFamily(type: Name(type)))
      #expect(family.type.text == type)
      #expect(family.ties.count == row["ties"]?.elements.count ?? 0)
    }
    for type: Name in ["", "a", "bert ", "~", "zzz", "llama\n"] {
      #expect(ModelFamily(type: type) == nil)
    }
  }

  @Test func aClassNamesItsFamily() {
    #expect(ModelFamily(class: "BertForMaskedLM")?.type == "bert")
    #expect(ModelFamily(class: "SomethingElse") == nil)
  }

  @Test func headsAreThoseOfTheTask() throws {
    let bert = try #require(ModelFamily(type: "bert"))
    #expect(bert.heads(for: .questionAnswering) == ["qa_outputs"])
    #expect(bert.heads(for: .sequenceClassification) == ["classifier"])
    let llama = try #require(ModelFamily(type: "llama"))
    #expect(llama.heads(for: .sequenceClassification) == ["score"])
    #expect(ModelFamily(type: "t5")?.heads(for: .sequenceClassification) == ["classification_head"])
  }

  @Test func transposedLayersAreThoseOfGPT2AndItsKin() throws {
    let attention: Name = "transformer.h.0.attn.c_attn.weight"
    for (type, name, isTransposed) in [
      ("gpt2", attention, true), ("gpt_bigcode", attention, false),
      ("clvp", "speech_decoder_model.model.decoder.layers.0.mlp.c_fc.weight", true),
      ("clvp", "speech_decoder_model.model.decoder.layers.0.attn.q_proj.weight", false),
    ] as [(Name, Name, Bool)] {
      #expect(try #require(ModelFamily(type: type)).storesTransposed(name) == isTransposed)
    }
    #expect(AnyFamily.transposedLeaves.isDisjoint(with: ["q_proj", "dense", "query_key_value"]))
  }
}

@Suite struct FamilyNameTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  /// A model saved by transformers is found under the names that it has in memory.
  @Test(arguments: Recorded.families)
  fileprivate func namesInMemoryAreFoundInFiles(_ family: Recorded.Family) throws {
    let shapes = Dictionary(uniqueKeysWithValues: Set(family.names.values).map { ($0, [1]) })
    for config in [family.config(), nil] {
      let folder = try TemporaryFolder()
      let base = try checkpoint(shapes, config: config, in: folder)
      let binding = try NameBinding(Array(family.names.keys), hints: [:], in: base) {
        base.tensor($1) != nil
      }
      #expect(binding.stored == family.names)
      for (memory, files) in family.names { #expect(binding.renamed(memory) == files) }
    }
  }

  /// So is a part of it, under another prefix or without: LoRA changes some layers only.
  @Test func aBareModelIsFoundUnderTheNamesOfOneWithAHead() throws {
    let vit = try #require(Recorded.families.first { $0.type == "vit" })
    let layer = vit.names.filter { $0.key.hasPrefix("vit.layers.") }
    #expect(layer.count > 10)
    let bare = Dictionary(
      uniqueKeysWithValues: layer.map { ($0.key, $0.value.dropFirst("vit.".utf8.count)) })
    let base = try checkpoint(
      Dictionary(uniqueKeysWithValues: bare.values.map { ($0, [1]) }), config: vit.config(),
      in: folder)
    let binding = try NameBinding(Array(bare.keys), hints: [:], in: base) {
      base.tensor($1) != nil
    }
    #expect(binding.rule == .table(family: "vit"))
    #expect(binding.stored == bare)
  }

  @Test(arguments: Recorded.families.filter { !$0.stacks.isEmpty })
  fileprivate func expertsAreFoundOneByOne(_ family: Recorded.Family) throws {
    for (stack, tensors) in family.stacks {
      let rows = tensors.count / 2 * 3
      let shapes = Dictionary(uniqueKeysWithValues: tensors.map { ($0, [3, 5]) })
      let folder = try TemporaryFolder()
      let base = try checkpoint(shapes, config: family.config(), in: folder)
      let parts = base.expertStacks.lazy.compactMap {
        $0.parts(of: stack, experts: 2, rows: rows, columns: 5, in: base)
      }.first
      let found = try #require(parts)
      #expect(Set(found.map(\.stored)) == tensors)
      #expect(found.count == tensors.count)
      // And back: where the stack is stored, an expert is some rows of it.
      let other = try TemporaryFolder()
      let stacked = try checkpoint([stack: [2, rows, 5]], config: family.config(), in: other)
      for part in found {
        let region = stacked.expertStacks.lazy.compactMap {
          $0.region(of: part.stored, rows: 3, columns: 5, in: stacked)
        }.first
        #expect(region?.stored == stack)
        let first = part.expert * rows + part.rows.lowerBound
        #expect(region?.rows == first..<first + 3)
      }
    }
  }
}

@Suite struct TiedParameterTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
  }

  private func ties(_ names: [Name], _ config: String?) throws -> TiedParameters {
    let shapes = Dictionary(uniqueKeysWithValues: names.map { ($0, [1]) })
    return TiedParameters(try checkpoint(shapes, config: config, in: folder))
  }

  /// Of every recorded family that ties its output layer: stored without it, it is the embedding's tensor, and
  /// the embedding is not changed without it.
  @Test(arguments: Recorded.families)
  fileprivate func anAbsentOutputLayerIsTheEmbedding(_ recorded: Recorded.Family) throws {
    let family = try #require(ModelFamily(type: recorded.type))
    let own = try #require(family.ties(ofClass: recorded.className))
    let groups = own.filter { $0.allSatisfy { recorded.names[$0] != nil } }
    #expect(groups.isEmpty == own.isEmpty)
    for group in groups {
      let absent = group.dropFirst().compactMap { recorded.names[$0] }
      let stored = Set(recorded.names.values).subtracting(absent)
      let ties = try ties(Array(stored), recorded.config(#","tie_word_embeddings":true"#))
      let source = try #require(recorded.names[group[0]])
      for name in group.dropFirst() { #expect(ties.stored(for: name) == source) }
      for name in absent { #expect(ties.stored(for: name) == source) }
      #expect(ties.partners(of: source) == absent)
    }
  }

  @Test func outputLayersOfWellKnownFamiliesAreTied() throws {
    let heads: [(type: Name, embedding: Name, head: Name)] = [
      ("roberta", "roberta.embeddings.word_embeddings.weight", "lm_head.decoder.weight"),
      ("whisper", "model.decoder.embed_tokens.weight", "proj_out.weight"),
      ("gpt_neox", "gpt_neox.embed_in.weight", "embed_out.weight"),
      ("gemma3", "language_model.model.embed_tokens.weight", "language_model.lm_head.weight"),
      ("gemma3", "model.language_model.embed_tokens.weight", "lm_head.weight"),
    ]
    for (type, embedding, head) in heads {
      let config = #"{"model_type":"\#(type)","tie_word_embeddings":true}"#
      #expect(try ties([embedding], config).partners(of: embedding) == [head])
    }
  }

  /// Where the output layer alone is stored, it is the embedding too.
  @Test func anAbsentEmbeddingIsTheOutputLayer() throws {
    let embedding: Name = "model.embed_tokens.weight"
    let config = #"{"model_type":"llama","tie_word_embeddings":true}"#
    let ties = try ties(["lm_head.weight"], config)
    #expect(ties.stored(for: embedding) == "lm_head.weight")
    #expect(ties.partners(of: "lm_head.weight") == [embedding])
  }

  @Test func aClassWithoutAnOutputLayerTiesNothing() throws {
    let embedding: Name = "model.embed_tokens.weight"
    for (name, isTied) in [("LlamaForSequenceClassification", false), ("LlamaForCausalLM", true)] {
      let config =
        #"{"model_type":"llama","architectures":["\#(name)"],"tie_word_embeddings":true}"#
      #expect(try ties([embedding], config).partners(of: embedding).isEmpty != isTied)
    }
  }

  /// A block that several layers of a model share is no layer's own.
  @Test func sharedModulesAreTied() throws {
    let config = #"{"model_type":"zamba","architectures":["ZambaForCausalLM"]}"#
    let stored: Name = "model.layers.2.shared_transf.feed_forward.up_proj.weight"
    let other: Name = "model.layers.7.shared_transf.feed_forward.up_proj.weight"
    let ties = try ties([stored, "model.layers.0.mamba.in_proj.weight"], config)
    #expect(ties.stored(for: other) == stored)
    #expect(ties.partners(of: stored).contains(other))
    #expect(ties.partners(of: "model.layers.0.mamba.in_proj.weight").isEmpty)
  }

  /// A configuration that says so is believed of a model that nothing else is known of.
  @Test(arguments: [
    #"{"tie_word_embeddings":true}"#,
    #"{"model_type":"my_own","tie_word_embeddings":true}"#,
    #"{"model_type":"my_own","text_config":{"tie_word_embeddings":true}}"#,
    // The row of this one fits none of the names below.
    #"{"model_type":"llama","architectures":["LlamaForCausalLM"],"tie_word_embeddings":true}"#,
  ])
  func aConfigurationThatTiesBindsWithoutARow(_ config: String) throws {
    let embedding: Name = "core.wte.weight"
    let apart = try ties([embedding, "core.h.0.q.weight"], config)
    #expect(apart.partners(of: embedding) == ["lm_head.weight"])
    #expect(apart.stored(for: "lm_head.weight") == embedding)
    let both = try ties([embedding, "core.lm_head.weight"], config)
    #expect(both.partners(of: embedding) == ["core.lm_head.weight"])
    #expect(both.partners(of: "core.lm_head.weight") == [embedding])
  }

  @Test func withoutAWordNothingUnknownIsTied() throws {
    let embedding: Name = "core.wte.weight"
    for config in [nil, #"{"model_type":"my_own"}"#, #"{"tie_word_embeddings":false}"#] {
      #expect(try ties([embedding], config).partners(of: embedding).isEmpty)
    }
  }

  /// Versions of transformers go by the one or by the other; the weights decide.
  @Test func partsThatContradictTheWholeLeaveItToTheWeights() throws {
    let config =
      #"{"model_type":"gemma3","tie_word_embeddings":false,"text_config":{"tie_word_embeddings":true}}"#
    let embedding: Name = "model.language_model.embed_tokens.weight"
    #expect(try ties([embedding], config).partners(of: embedding) == ["lm_head.weight"])
    #expect(try ties([embedding, "lm_head.weight"], config).partners(of: embedding).isEmpty)
  }

  @Test func vocabulariesAreKnownByTheirModules() {
    for family in Recorded.families {
      guard let row = ModelFamily(type: family.type) else { continue }
      for module in row.vocabulary { #expect(row.isVocabulary(Name("\(module).weight"))) }
    }
    for name: Name in ["model.layers.0.mlp.up_proj.weight", "lm_head.bias", "lm_head", ""] {
      #expect(!AnyFamily.isVocabulary(name))
    }
  }
}

import AdapterModels
import Storage
import StrictJSON
import SystemPackage
import TestSupport
import Testing

/// What transformers writes for conversations in the templates of known models (Fixtures/makers/chat.py).
struct ChatFixture: Sendable {
  static let shared = Result { try ChatFixture() }

  struct Model: Sendable, CustomStringConvertible {
    let name: String
    let template: [UInt8]
    let tokens: [String: String?]
    /// For each conversation its text; nil where the template refuses it.
    let texts: [String?]
    let tokenizer: String?
    let ids: [[Int32]]
    var description: String { name }
  }

  let day: LocalDate
  let conversations: [(turns: [ChatTemplate.Turn], system: String?)]
  let models: [Model]

  static var models: [Model] { (try? shared.get().models) ?? [] }

  init() throws {
    let fields = try JSONFields(Repository.fixtures.appending("chat.json").contents)
    let numbers = fields.numbers("day").map { Int($0) }
    day = LocalDate(year: numbers[0], month: numbers[1], day: numbers[2])
    conversations = try fields.array("conversations").map { conversation in
      var (turns, system) = ([ChatTemplate.Turn](), String?.none)
      for message in try conversation.elements {
        let fields = try JSONFields(message)
        let text = try fields.string("content")
        if let role = ChatTemplate.Turn.Role(rawValue: try fields.string("role")) {
          turns.append(.init(role, text))
        } else {
          system = text
        }
      }
      return (turns, system)
    }
    models = try fields.array("templates").map { value in
      let fields = try JSONFields(value)
      let name = try fields.string("name")
      return Model(
        name: name,
        template: try Repository.fixtures.appending("chat").appending("\(name).jinja").contents,
        tokens: try fields.object("tokens").mapValues { value -> String? in
          if case .string(let text) = value { text } else { nil }
        },
        texts: try fields.array("texts").map { value -> String? in
          if case .string(let text) = value { text } else { nil }
        },
        tokenizer: try? fields.string("tokenizer"),
        ids: try (try? fields.array("ids"))?.map { ids in
          try ids.elements.compactMap { id -> Int32? in
            if case .integer(let id) = id { Int32(id) } else { nil }
          }
        } ?? [])
    }
  }

  func template(_ model: Model) throws -> ChatTemplate {
    var template = try ChatTemplate(
      template: model.template, specialTokens: model.tokens, calledAs: model.name)
    template.today = day
    return template
  }
}

/// The templates that models bring are rendered as transformers renders them.
@Suite struct ChatTemplateTests {
  private func fixture() throws -> ChatFixture { try ChatFixture.shared.get() }

  @Test(arguments: ChatFixture.models)
  func textsAreThoseOfTransformers(_ model: ChatFixture.Model) throws {
    let fixture = try fixture()
    let template = try fixture.template(model)
    #expect(model.texts.count == fixture.conversations.count && fixture.conversations.count > 9)
    for (conversation, text) in zip(fixture.conversations, model.texts) {
      let written = Result { try template.prompt(conversation.turns, system: conversation.system) }
      #expect(
        (try? written.get()).map { Array($0.utf8) } == text.map { Array($0.utf8) }, "\(written)")
      guard text == nil, case .failure(let error) = written else { continue }
      #expect("\(error)".contains("refuses this conversation"), "\(error)")
    }
  }

  @Test(arguments: ChatFixture.models.filter { $0.tokenizer != nil })
  func idsAreThoseOfTransformers(_ model: ChatFixture.Model) throws {
    let fixture = try fixture()
    let template = try fixture.template(model)
    let tokenizer = try Tokenizer(
      TokenizerTexts.folder.appending("\(try #require(model.tokenizer)).json"))
    #expect(model.ids.count == fixture.conversations.count)
    for (conversation, ids) in zip(fixture.conversations, model.ids) {
      #expect(
        try template.encode(conversation.turns, system: conversation.system, with: tokenizer) == ids
      )
    }
  }

  /// A form that has a name is what the model's template writes.
  @Test(arguments: [
    ("chatml", "chatml"), ("llama2", "llama-2"), ("llama3", "llama-3"),
    ("mistral", "mistral-7b-v0.2"),
    ("gemma", "gemma-2"), ("gemma", "gemma-1"), ("phi3", "phi-3.5-mini"), ("phi3", "phi-3-small"),
    ("zephyr", "zephyr"),
  ])
  func formsAreThoseOfModels(_ names: (form: String, model: String)) throws {
    let fixture = try fixture()
    let model = try #require(fixture.models.first { $0.name == names.model })
    let form = try #require(ChatTemplate(names.form))
    var count = 0
    for (conversation, text) in zip(fixture.conversations, model.texts) {
      // Where the model speaks last there is nothing to answer, and some leave an empty system text out.
      guard var text, conversation.turns.last?.role == .user, conversation.system != "" else {
        continue
      }
      if ["gemma-1", "phi-3-small"].contains(names.model) {
        // The first of them does not write the beginning, the second writes one.
        text = names.form == "gemma" ? "<bos>" + text : String(text.dropFirst("<s>".count))
      }
      #expect(try form.prompt(conversation.turns, system: conversation.system) == text)
      count += 1
    }
    #expect(count >= 4)
  }

  @Test func theEndOfATurnIsFound() throws {
    let fixture = try fixture()
    for (name, end) in [
      ("qwen2", "<|im_end|>"), ("llama-3.1", "<|eot_id|>"), ("smollm2", "<|im_end|>"),
    ] {
      let model = try #require(fixture.models.first { $0.name == name })
      let tokenizer = try Tokenizer(
        TokenizerTexts.folder.appending("\(try #require(model.tokenizer)).json"))
      #expect(try fixture.template(model).endOfTurn(in: tokenizer) == tokenizer.id(of: end))
      #expect(ChatTemplate("plain")?.endOfTurn(in: tokenizer) == nil)
    }
  }
}

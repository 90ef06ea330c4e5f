internal import AdapterFormat
internal import AdapterInterop
internal import Operations
internal import StrictJSON

/// What a card tells of the configuration that PEFT wrote beside an adapter.
struct CardSettings {
  /// `task_type`.
  let task: String?
  /// `lora_alpha`, by which the scale was worked out.
  let alpha: Double?

  init(_ adapter: Adapter) {
    guard adapter.source?.format == Formats.peft.name, let text = adapter.source?.config,
      case .object(let members) = try? JSONValue(document: Array(text.utf8), maximumDepth: 16)
    else {
      (task, alpha) = (nil, nil)
      return
    }
    func value(_ key: Name) -> JSONValue? { members.first { $0.key == key }?.value }
    task = if case .string(let text)? = value("task_type") { text } else { nil }
    alpha = value("lora_alpha")?.double
  }

  /// What the Hub calls the task; nil for those that it has several words for.
  var pipelineTag: String? {
    switch task {
    case "CAUSAL_LM": "text-generation"
    case "SEQ_CLS": "text-classification"
    case "TOKEN_CLS": "token-classification"
    case "QUESTION_ANS": "question-answering"
    case "FEATURE_EXTRACTION": "feature-extraction"
    default: nil
    }
  }

  /// The class of transformers that loads the base.
  var modelClass: String {
    switch task {
    case "CAUSAL_LM": "AutoModelForCausalLM"
    case "SEQ_2_SEQ_LM": "AutoModelForSeq2SeqLM"
    case "SEQ_CLS": "AutoModelForSequenceClassification"
    case "TOKEN_CLS": "AutoModelForTokenClassification"
    case "QUESTION_ANS": "AutoModelForQuestionAnswering"
    default: "AutoModel"
    }
  }
}

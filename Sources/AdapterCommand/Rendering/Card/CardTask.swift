internal import AdapterInterop

/// The Hub's words for what an adapter was trained for.
extension TrainingFacts {
  /// The Hub's word for the task; nil where it has several.
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

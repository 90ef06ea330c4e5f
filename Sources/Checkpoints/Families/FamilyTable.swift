// swift-format-ignore-file

/// What transformers 5.23.0 calls the parameters of its models: lines of JSON, each found
/// by the text that it begins with. Made by Fixtures/makers/families/make_families.py; not to be edited.
enum FamilyTable {
  /// One line a model type, sorted by it.
  static let families = #"""
{"type":"bert","classes":{"BertForMaskedLM":[0,1],"BertForMultipleChoice":[],"BertForNextSentencePrediction":[],"BertForPreTraining":[0,1],"BertForQuestionAnswering":[],"BertForSequenceClassification":[],"BertForTokenClassification":[],"BertLMHeadModel":[0,1],"BertModel":null},"ties":[["bert.embeddings.word_embeddings.weight","cls.predictions.decoder.weight"],["cls.predictions.bias","cls.predictions.decoder.bias"]],"tied":true,"prefix":"bert","input":["bert.embeddings.word_embeddings"],"output":["cls.predictions.decoder"],"heads":{"answer":["qa_outputs"],"sequence":["classifier"],"token":["classifier"]}}
{"type":"zamba","classes":{"ZambaForCausalLM":[1,2],"ZambaForSequenceClassification":[2],"ZambaModel":null},"ties":[["layers.2.shared_transf","layers.13.shared_transf","layers.19.shared_transf","layers.25.shared_transf","layers.31.shared_transf","layers.37.shared_transf","layers.43.shared_transf","layers.49.shared_transf","layers.55.shared_transf","layers.61.shared_transf","layers.67.shared_transf","layers.7.shared_transf","layers.73.shared_transf"],["model.embed_tokens.weight","lm_head.weight"],["model.layers.2.shared_transf","model.layers.13.shared_transf","model.layers.19.shared_transf","model.layers.25.shared_transf","model.layers.31.shared_transf","model.layers.37.shared_transf","model.layers.43.shared_transf","model.layers.49.shared_transf","model.layers.55.shared_transf","model.layers.61.shared_transf","model.layers.67.shared_transf","model.layers.7.shared_transf","model.layers.73.shared_transf"]],"tied":true,"prefix":"model","input":["model.embed_tokens"],"output":["lm_head"],"heads":{"sequence":["score"]}}
{"type":"whisper","classes":{"WhisperDecoder":[],"WhisperDecoderWrapper":[],"WhisperEncoder":[],"WhisperForAudioClassification":[],"WhisperForCausalLM":[0],"WhisperForConditionalGeneration":[0],"WhisperModel":null},"ties":[["model.decoder.embed_tokens.weight","proj_out.weight"]],"tied":true,"prefix":"model","input":["model.decoder.embed_tokens"],"output":["proj_out"]}
"""#

  /// Rules by which names in memory become names in files, sorted by their label.
  static let names = #"""
{"names":"gamma_beta","rules":["LayerNorm.bias>LayerNorm.beta","LayerNorm.weight>LayerNorm.gamma"]}
{"names":"weight_norm","rules":["parametrizations.weight.original0>weight_g","parametrizations.weight.original1>weight_v"]}
"""#

  /// What is likely where the family is not known.
  static let general = #"""
{"of":"experts","stacks":[]}
{"of":"names","labels":["gamma_beta","weight_norm"]}
{"of":"ties","groups":[["bert.embeddings.word_embeddings.weight","cls.predictions.decoder.weight"],["cls.predictions.bias","cls.predictions.decoder.bias"],["model.decoder.embed_tokens.weight","proj_out.weight"],["model.embed_tokens.weight","lm_head.weight"],["word_embeddings.weight","lm_head.weight"],["wte.weight","lm_head.weight"]]}
{"of":"transposed","leaves":[]}
{"of":"vocabulary","input":["embed_tokens","word_embeddings"],"output":["decoder","lm_head","output","proj_out"]}
"""#
}

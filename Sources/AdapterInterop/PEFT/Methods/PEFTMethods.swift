extension PEFTMethod {
  /// Every method that is understood.
  static let all: [PEFTMethod] = [
    lora, adaLoRA, ia3, promptTuning, pTuning, prefixTuning, lnTuning, trainableTokens, beft, loHa,
    loKr, vera, pvera, oft, boft, hra, hira, shira, superTuning, miss, c3a, road, graLoRA, deLoRA,
    fourierFT, cpt, cartridge, vbLoRA,
  ]

  /// The method of a `peft_type`.
  ///
  /// - Throws: `InteropError` of the kind `unsupported`, with the reason where there is one.
  static func named(_ type: String) throws -> PEFTMethod {
    if let method = all.first(where: { $0.type == type }) { return method }
    throw InteropError(
      .unsupported,
      "peft_type \(type) is not supported" + (refused[type].map { ": \($0)" } ?? ""))
  }

  /// Why a method that PEFT 0.21 has is not converted.
  private static let refused: [String: String] = [
    "XLORA": "it mixes adapters by data, which no operation expresses",
    "POLY": "it mixes skills by task, which no operation expresses",
    "LILY": "it routes by data, which no operation expresses",
    "ADAPTION_PROMPT": "its gated attention has no form as a prefix of the cache",
    "MULTITASK_PROMPT_TUNING": "it holds a prompt for each task: save the one that is meant",
    "UNILORA": "its file holds seeds of torch's generator: save it with save_indices",
    "RANDLORA": "it is not supported by this version",
    "TINYLORA": "it is not supported by this version",
    "GLORA": "it is not supported by this version",
    "DEFT": "it is not supported by this version",
    "PEANUT": "it is not supported by this version",
    "WAVEFT": "it is not supported by this version",
    "PSOFT": "it needs a decomposition of the base's weights",
    "OSF": "it needs a decomposition of the base's weights",
    "ADAMSS": "it needs a decomposition of the base's weights",
    "FROD": "it needs a decomposition of the base's weights, which its file does not hold",
    "SHADOW": "it runs a model of its own",
    "BONE": "it is the old name of MISS; train or save it with a PEFT that knows MISS",
  ]
}

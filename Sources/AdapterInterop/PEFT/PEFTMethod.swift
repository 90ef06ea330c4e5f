/// A method of PEFT by its `peft_type`, and whether it is understood.
enum PEFTMethod: String, CaseIterable {
  case lora = "LORA"
  case adaLoRA = "ADALORA"
  case ia3 = "IA3"
  case promptTuning = "PROMPT_TUNING"
  case pTuning = "P_TUNING"
  case prefixTuning = "PREFIX_TUNING"
  case lnTuning = "LN_TUNING"
  case trainableTokens = "TRAINABLE_TOKENS"
  case beft = "BEFT"
  case loHa = "LOHA"
  case loKr = "LOKR"
  case vera = "VERA"
  case pvera = "PVERA"
  case oft = "OFT"
  case boft = "BOFT"
  case hra = "HRA"
  case hira = "HIRA"
  case shira = "SHIRA"
  case superTuning = "SUPERTUNING"
  case miss = "MISS"
  case c3a = "C3A"
  case road = "ROAD"
  case graLoRA = "GRALORA"
  case deLoRA = "DELORA"
  case fourierFT = "FOURIERFT"

  /// Its name in an adapter.
  var name: String { rawValue.lowercased() }

  /// Why a method that PEFT 0.21 has is not converted.
  static let refused: [String: String] = [
    "XLORA": "it mixes adapters by data, which no operation expresses",
    "POLY": "it mixes skills by task, which no operation expresses",
    "LILY": "it routes by data, which no operation expresses",
    "ADAPTION_PROMPT": "its gated attention has no form as a prefix of the cache",
    "MULTITASK_PROMPT_TUNING": "it holds a prompt for each task: save the one that is meant",
    "UNILORA": "its file holds seeds of torch's generator: save it with save_indices",
    "RANDLORA": "it is not supported by this version",
    "VBLORA": "it is not supported by this version",
    "TINYLORA": "it is not supported by this version",
    "GLORA": "it is not supported by this version",
    "DEFT": "it is not supported by this version",
    "PEANUT": "it is not supported by this version",
    "WAVEFT": "it is not supported by this version",
    "CPT": "it is not supported by this version",
    "CARTRIDGE": "it is not supported by this version",
    "PSOFT": "it needs a decomposition of the base's weights",
    "OSF": "it needs a decomposition of the base's weights",
    "ADAMSS": "it needs a decomposition of the base's weights",
    "FROD": "it needs a decomposition of the base's weights, which its file does not hold",
    "SHADOW": "it runs a model of its own",
    "BONE": "it is the old name of MISS; train or save it with a PEFT that knows MISS",
  ]
}

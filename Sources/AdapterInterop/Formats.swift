internal import AdapterFormat
public import Checkpoints
public import Operations

/// The foreign formats that are known.
public enum Formats {
  /// The folder that PEFT writes.
  public static let peft: any WritableFormat = PEFTFormat()

  /// The file of llama.cpp.
  public static let gguf: any WritableFormat = GGUFFormat()

  /// The folder of mlx-lm.
  public static let mlx: any WritableFormat = MLXFormat()

  /// The file of sd-scripts and LyCORIS.
  public static let kohya: any WritableFormat = KohyaFormat()

  /// The file of diffusers.
  public static let diffusers: any WritableFormat = DiffusersFormat()

  /// The file of ONNX Runtime.
  public static let onnx: any WritableFormat = ONNXFormat()

  /// Those that are written as well as read.
  public static let written: [any WritableFormat] = [peft, gguf, mlx, kohya, diffusers, onnx]

  /// All of them; the first that recognises a path has it.
  public static let all: [any ForeignFormat] =
    written + [BiasTensorsFormat(), PromptEncoderFormat()]

  /// The only format whose files have the suffix of a name; nil where there is none, or several.
  public static func written(as name: String) -> (any WritableFormat)? {
    let fitting = written.filter { $0.suffix.map(name.lowercased().hasSuffix) ?? false }
    return fitting.count == 1 ? fitting[0] : nil
  }

  /// Returns the doubts about an adapter, by what is known of the format that it came from.
  public static func doubts(about adapter: Adapter) -> [SourceDoubt] {
    formats(of: adapter).flatMap { $0.doubts(about: adapter) }
  }

  /// Returns the task that an adapter was trained for; nil if the format that it came from does not say.
  public static func task(of adapter: Adapter) -> ModelTask? {
    formats(of: adapter).compactMap { $0.task(of: adapter) }.first
  }

  private static func formats(of adapter: Adapter) -> [any ForeignFormat] {
    all.filter { $0.name == adapter.source?.format }
  }

  /// The format that recognises a path; nil where none does.
  static func recognising(_ source: ForeignSource) -> (any ForeignFormat)? {
    all.first { $0.recognises(source) }
  }
}

internal import StrictJSON

/// A part of a pipeline that makes images: its sub-folder, and what the targets of an adapter for the whole begin
/// with, as in `unet.down_blocks.0.…`.
public enum PipelineComponent: String, Sendable, Hashable, CaseIterable {
  /// The denoiser of Stable Diffusion.
  case unet
  /// The denoiser of Flux, SD 3 and their kin.
  case transformer
  /// The first text encoder, or the only one.
  case textEncoder = "text_encoder"
  /// The second text encoder.
  case textEncoder2 = "text_encoder_2"
  /// The third text encoder.
  case textEncoder3 = "text_encoder_3"

  /// The component that a name begins with; nil where it begins with none.
  init?(of name: Name) {
    let first = name.text.prefix { $0 != "." }
    guard first.utf8.count < name.text.utf8.count else { return nil }
    self.init(rawValue: String(first))
  }

  /// The name in the pipeline.
  func name(_ inner: Name) -> Name { Name("\(rawValue).\(inner)") }

  /// The name without the component that it begins with.
  func inner(_ name: Name) -> Name { name.dropFirst(rawValue.utf8.count + 1) }
}

internal import Checkpoints
internal import StrictJSON

/// The base of an adapter for a pipeline: one of its parts, its folder, or an original single file.
struct PipelineBase: Sendable {
  let checkpoint: Checkpoint
  /// Where the parts are: what the stored names of each begin with.
  private let places: [Place]

  private struct Place: Sendable {
    let component: PipelineComponent
    let prefix: String
  }

  /// How single files of Stable Diffusion, SDXL and Flux begin the names of each part.
  private static let singleFile: [Place] = [
    Place(component: .unet, prefix: "model.diffusion_model."),
    Place(component: .transformer, prefix: "model.diffusion_model."),
    Place(component: .textEncoder, prefix: "cond_stage_model.transformer."),
    Place(component: .textEncoder, prefix: "conditioner.embedders.0.transformer."),
    Place(component: .textEncoder, prefix: "text_encoders.clip_l.transformer."),
    Place(component: .textEncoder2, prefix: "text_encoders.clip_g.transformer."),
    Place(component: .textEncoder3, prefix: "text_encoders.t5xxl.transformer."),
  ]

  init(_ checkpoint: Checkpoint) {
    self.checkpoint = checkpoint
    let folders = PipelineComponent.allCases.map { Place(component: $0, prefix: $0.rawValue + ".") }
    let here = (folders + Self.singleFile).filter { place in
      checkpoint.names.contains { $0.hasPrefix(Name(place.prefix)) }
    }
    places = here
  }

  /// True if it is one part, with names that say nothing of the pipeline.
  var isOnePart: Bool { places.isEmpty }

  /// True if its denoiser is a UNet, by the names of its blocks.
  var hasUNet: Bool {
    checkpoint.names.contains { name in
      ["down_blocks.", "input_blocks."].contains {
        name.hasPrefix(Name($0)) || name.text.contains("." + $0)
      }
    }
  }

  /// A stored parameter that may be meant, and what it is called in an adapter for the pipeline.
  struct Parameter: Hashable {
    let target: Name
    let stored: Name
  }

  /// The weights, and parameters that no module's weight or bias is, by the paths of their modules: of one component,
  /// or of the whole where there is none.
  func modules(_ component: PipelineComponent?) -> [String: Parameter] {
    var result: [String: Parameter] = [:]
    for stored in checkpoint.names.sorted() where !stored.hasSuffix(".bias") {
      for inner in insides(of: stored, component) {
        let path = inner.hasSuffix(".weight") ? String(inner.dropLast(".weight".count)) : inner
        let target = component?.name(Name(inner)) ?? Name(inner)
        result[path] = result[path] ?? Parameter(target: target, stored: stored)
      }
    }
    return result
  }

  /// Why no parameter is a module of a file.
  func reasonForNone(_ component: PipelineComponent?) -> String {
    let isOfText = [.textEncoder, .textEncoder2, .textEncoder3].contains(component)
    let hasText = checkpoint.names.contains {
      $0.text.contains("self_attn") || $0.text.contains("SelfAttention")
    }
    return isOfText && !hasText
      ? "it is of a text encoder, which this base is not: --drop leaves tensors out"
      : "the base has no module of this name"
  }

  /// The name without what says where the part is.
  private func insides(of stored: Name, _ component: PipelineComponent?) -> [String] {
    guard let component, !isOnePart else { return [stored.text] }
    return places.filter { $0.component == component && stored.hasPrefix(Name($0.prefix)) }
      .map { String(stored.text.dropFirst($0.prefix.count)) }
  }
}

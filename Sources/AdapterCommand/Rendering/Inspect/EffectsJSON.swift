internal import AdapterInsight
internal import AdapterRuntime
internal import Operations
internal import Storage
internal import StrictJSON
internal import SystemPackage

/// The parts of `adapter.inspect/1` (Spec/cli.md) that follow from values.
enum EffectsJSON {
  static func encode(
    _ values: InspectedAdapter.Values, spectra: Bool, _ writer: inout JSONWriter
  ) {
    writer.key("effects")
    writer.array { writer in
      for effect in values.effects.targets {
        if let prompt = effect.prompt { encode(prompt, &writer) }
        for measure in effect.measures { encode(measure, of: effect, spectra, &writer) }
      }
    }
    writer.key("findings")
    writer.array { writer in
      for finding in values.findings {
        writer.object { writer in
          writer.member("code", finding.code)
          writer.member("text", finding.sentence)
        }
      }
    }
  }

  private static func encode(
    _ measure: TargetEffect.Measure, of effect: TargetEffect, _ spectra: Bool,
    _ writer: inout JSONWriter
  ) {
    writer.object { writer in
      writer.member("target", effect.target?.text)
      writer.member("space", measure.space.rawValue)
      writer.member("norm", measure.norm)
      if let rank = measure.rank { writer.member("rank", UInt64(rank)) }
      guard let spectrum = measure.spectrum else { return }
      writer.member("spectral_norm", spectrum.spectralNorm)
      writer.member("effective_rank", spectrum.effectiveRank)
      writer.member("stable_rank", spectrum.stableRank)
      writer.member("rank_99", UInt64(spectrum.rank(holding: 0.99)))
      if spectra { writer.member("singular_values", spectrum.values) }
    }
  }

  private static func encode(_ prompt: PromptNorms, _ writer: inout JSONWriter) {
    writer.object { writer in
      writer.member("space", prompt.kind == .tokens ? "tokens" : "layers")
      writer.key("norms")
      writer.array { writer in
        for row in prompt.rows { writer.numbers(row) }
      }
    }
  }

  static func encode(_ change: InspectedAdapter.BaseEffect, _ writer: inout JSONWriter) {
    writer.key("on_base")
    writer.object { writer in
      writer.member("path", change.path.string)
      writer.member("verdict", change.verdict.code)
      writer.key("tensors")
      writer.array { writer in
        for tensor in change.measurement.tensors {
          writer.object { writer in
            writer.member("tensor", tensor.name.text)
            writer.member("change_norm", tensor.change?.leftNorm)
            writer.member("weight_norm", tensor.weightNorm)
          }
        }
      }
    }
  }

  static func encodeTensors(of adapter: Adapter, _ writer: inout JSONWriter) {
    let uses = adapter.uses
    writer.key("tensors")
    writer.array { writer in
      for info in adapter.tensors {
        writer.object { writer in
          writer.member("name", info.name.text)
          writer.member("dtype", info.type.rawValue)
          writer.key("shape")
          writer.array { writer in for size in info.shape.dimensions { writer.integer(size) } }
          writer.member("used_as", uses[info.name])
        }
      }
    }
  }
}

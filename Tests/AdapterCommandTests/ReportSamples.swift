import AdapterCommand

/// Pages as the commands fill them, and pages as nobody wants them.
enum ReportSamples {
  static let all: [(name: String, page: ReportPage)] = [
    ("lora", lora), ("difference", difference), ("hostile", hostile), ("many", many),
    ("tiny", tiny), ("scaling", scaling), ("long", long),
  ]

  static let modules: [Shown] = [
    "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj",
  ]

  /// LoRA on all linear layers of 22: what `inspect` shows.
  static let lora: ReportPage = {
    var page = ReportPage(
      title: "zephyr-support-lora.adp", command: "adapter inspect",
      summary: """
        LoRA of rank 16 on 154 linear layers; it changes them by 1.3 % of their size in the middle, \
        and is made for exactly this base.
        """)
    page.facts = [
      Fact("method", "LoRA (rank-stabilised)"), Fact("base", "TinyLlama/TinyLlama-1.1B-Chat-v1.0"),
      Fact("rank and scale", "16, 4"), Fact("parameters", "12,615,680 in 308 tensors"),
      Fact("size", "21.4 MB for 25.2 MB (84.8 %)"), Fact("element type", "BF16"),
      Fact(
        "weights", "b6ffc08b19b2b7b4dd49a0d1c9d3d2f5f1d60e2d1b6f18d09b6d0a6e4f1c2233", style: .code),
    ]
    page.findings = [
      Finding(.warning, "4 of 154 changes are zero: layer 21 was never trained"),
      Finding(
        .warning,
        "layer 3, v_proj: one singular value holds 93 % of the change; rank 16 is not used"),
      Finding(.note, "the base's fingerprint covers 201 tensors; none of them is of an embedding"),
    ]
    page.heatMaps = [
      HeatMap(
        caption: "Relative change of the weights",
        explanation: "‖ΔW‖ / ‖W‖ in Frobenius norms, in percent. Colours by ratio.",
        columns: modules, rows: grid(rows: 22, columns: 7, scale: 1.4), spacing: .logarithmic),
      HeatMap(
        caption: "Stable rank of the change",
        explanation: "‖ΔW‖² / σ₁², between 1 and the rank. Colours by difference.",
        columns: modules, rows: grid(rows: 22, columns: 7, scale: 6), spacing: .linear),
    ]
    page.plotGrids = [
      PlotGrid(
        heading: "Singular values",
        explanation: """
          σ₁ to σ₁₆ of each change, on one logarithmic axis. A thin line is a layer, the bold one the \
          median.
          """,
        valueName: "σ", scale: .logarithmic,
        plots: modules.enumerated().map { ($1, spectra(layers: 22, rank: 16, seed: $0)) })
    ]
    page.sizes = SizeBars(
      caption: "Stored bytes by part",
      [
        .init("MLP", amount: "12.9 MB", share: 0.603),
        .init("attention", amount: "7.98 MB", share: 0.373),
        .init("manifest", amount: "412 kB", share: 0.0193),
        .init("PEFT configuration", amount: "1.12 kB", share: 0.00005),
      ])
    page.tables = [
      ReportTable(
        caption: "Operations",
        columns: [
          .init("operation"), .init("rank", .number), .init("scale", .number), .init("layout"),
          .init("targets", .number), .init("modules", .code),
        ],
        rows: [
          [
            "add_low_rank", "16", "4", "out_in", "154",
            "q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj",
          ],
          ["replace", "", "", "", "1", "lm_head"],
        ]),
      ReportTable(
        caption: "Tensors", remark: "As restored; the digest is of the values.",
        columns: [
          .init("tensor", .code), .init("type"), .init("shape", .number), .init("stored", .number),
        ],
        rows: (0..<22).flatMap { layer in
          modules.map { module in
            [
              "model.layers.\(layer).self_attn.\(module).lora_A.weight", "BF16", "16 × 2,048",
              "55.3 kB",
            ]
          }
        }),
    ]
    page.provenance = [
      Fact(
        "base", "TinyLlama/TinyLlama-1.1B-Chat-v1.0 at fe8a4ea1ffedaf415f4da2f062534de366a451e6"),
      Fact(
        "fingerprint", "17c0f6a2f0cb9e91a8d32d5bd1aeb9b1f8ab4a0b0f4b3c4c2f0de8f7a9cd4410",
        style: .code),
      Fact("source", "PEFT 0.21.2"), Fact("generator", "adapter 0.1.0"), Fact("format", "adp 1"),
      Fact("licence", "apache-2.0"),
    ]
    return page
  }()

  /// Two adapters of one base: what `diff` shows.
  static let difference: ReportPage = {
    var page = ReportPage(
      title: "run-7/checkpoint-2000 against run-7/checkpoint-1800", command: "adapter diff",
      summary: "The same targets and configuration; the weights differ by 4.1 % in the middle.")
    page.facts = [
      Fact("targets in both", "64"), Fact("only in the first", "0"),
      Fact("only in the second", "2"),
      Fact("cosine of the changes", "0.9991"),
    ]
    page.findings = [Finding(.note, "the two files name the same base and sample the same values")]
    page.heatMaps = [
      HeatMap(
        caption: "Relative difference", explanation: "‖A − B‖ / ‖A‖ in percent.",
        columns: ["self_attn.q_proj", "self_attn.v_proj", "mlp.gate_proj", "mlp.down_proj"],
        rows: grid(rows: 16, columns: 4, scale: 4), spacing: .linear)
    ]
    page.plotGrids = [
      PlotGrid(
        heading: "Principal angles",
        explanation: "Cosines between the two row spaces; 1 is the same direction.",
        valueName: "cos θ",
        scale: .linear,
        plots: [
          ("self_attn.q_proj", cosines(seed: 1)), ("self_attn.v_proj", cosines(seed: 2)),
        ])
    ]
    page.tables = [
      ReportTable(
        caption: "Configuration",
        columns: [.init("field", .code), .init("first", .code), .init("second", .code)],
        rows: [
          ["lora_alpha", "32", "64"], ["target_modules", "[q_proj, v_proj]", "[v_proj, q_proj]"],
        ])
    ]
    page.provenance = [Fact("first", "adapter 0.1.0"), Fact("second", "adapter 0.1.0")]
    return page
  }()

  /// Names that want to be markup, script, templates or colours.
  static let attacks = [
    "<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' onmouseover='alert(1)",
    "\u{202E}gpj.exe", "\u{1B}[31mred", "{{#page}}{{title}}{{/page}}", "{{{title}}}", "</style><b>",
    "</title><h1>", "\"\u{301} onmouseover=alert(1) x=", "<\u{338}img src=x>", "\u{D4E}<b>",
    "&lt;b&gt;",
    "a\nb\u{2028}c", "שלום (1)", "https://example.org/track.png", "-->", "<![CDATA[",
    "\u{0}\u{FFFE}",
  ]

  static let hostile: ReportPage = {
    let names = attacks.map { Shown($0) }
    let all = Shown(attacks.joined(separator: " "))
    var page = ReportPage(title: all, command: all, summary: all)
    page.facts = names.flatMap { [Fact($0, $0), Fact($0, all, style: .code)] }
    page.findings = names.map { Finding(.warning, $0) }
    page.heatMaps = [
      HeatMap(
        caption: all, explanation: all, corner: all, columns: names,
        rows: names.map { name in
          .init(name, names.map { .init($0, level: 40, detail: $0, isAlarming: true) })
        }, legend: .init(from: names, to: all))
    ]
    page.plotGrids = [
      PlotGrid(
        heading: all, explanation: all, curveName: all, valueName: all, scale: .logarithmic,
        plots: names.map { ($0, [Curve($0, [1, .nan, 0, -1, .infinity, 1e300]), Curve($0, [])]) })
    ]
    page.sizes = SizeBars(caption: all, names.map { .init($0, amount: $0, share: .nan) })
    page.tables = names.map { name in
      ReportTable(
        caption: name, remark: name, columns: names.map { .init($0) }, rows: [names], folds: true)
    }
    page.provenance = names.map { Fact($0, all) }
    return page
  }()

  /// More layers and modules than most models have.
  static let many: ReportPage = {
    let modules = (0..<14).map { Shown("mlp.experts.\($0).gate_up_proj") }
    var page = ReportPage(
      title: "everything.adp", command: "adapter inspect",
      summary: "LoRA of rank 64 on 1,400 linear layers.")
    page.heatMaps = [
      HeatMap(
        caption: "Norm of the change", explanation: "‖ΔW‖ in the Frobenius norm.",
        columns: modules,
        rows: grid(rows: 100, columns: 14, scale: 3e-5).enumerated().map { index, row in
          let values: [Double?] = row.values.enumerated().map { place, value in
            place == index % 17
              ? nil : (index, place) == (4, 2) ? .nan : (index, place) == (5, 3) ? 0 : value
          }
          return ("encoder.\(index)", values)
        }, spacing: .logarithmic)
    ]
    page.plotGrids = [
      PlotGrid(
        heading: "Singular values", explanation: "σ₁ to σ₆₄ of each change.", valueName: "σ",
        scale: .logarithmic,
        plots: modules.prefix(4).enumerated().map { ($1, spectra(layers: 100, rank: 64, seed: $0)) }
      )
    ]
    return page
  }()

  /// One module of one layer.
  static let tiny: ReportPage = {
    var page = ReportPage(
      title: "one.adp", command: "adapter inspect", summary: "LoRA of rank 1 on 1 linear layer.")
    page.facts = [Fact("method", "LoRA"), Fact("base", "not recorded")]
    page.heatMaps = [
      HeatMap(
        caption: "Norm of the change", explanation: "‖ΔW‖.", columns: ["c_attn"],
        rows: [("0", [0.25])], spacing: .logarithmic)
    ]
    page.plotGrids = [
      PlotGrid(
        heading: "Singular values", explanation: "σ₁.", valueName: "σ", scale: .logarithmic,
        plots: [("c_attn", [Curve("0", [0.25])])])
    ]
    return page
  }()

  /// IA3: no matrices, so no spectra.
  static let scaling: ReportPage = {
    var page = ReportPage(
      title: "ia3.adp", command: "adapter inspect", summary: "IA3 on 36 layers; it scales outputs.")
    page.heatMaps = [
      HeatMap(
        caption: "Mean distance from one", explanation: "|v − 1| of each vector.",
        columns: ["k_proj", "v_proj", "down_proj"], rows: grid(rows: 12, columns: 3, scale: 0.02),
        spacing: .linear)
    ]
    return page
  }()

  /// Names as long as the format allows.
  static let long: ReportPage = {
    let name = Shown(String(repeating: "averylongname", count: 79).prefix(1024).description)
    let dotted = Shown(String(repeating: "model.layers.", count: 79).prefix(1024).description)
    var page = ReportPage(title: name, command: "adapter inspect", summary: dotted)
    page.facts = [Fact(name, name), Fact("base", dotted), Fact("digest", name, style: .code)]
    page.findings = [Finding(.warning, name)]
    page.heatMaps = [
      HeatMap(
        caption: name, explanation: dotted, corner: name, columns: [name, dotted, "v_proj"],
        rows: [(name, [1, 2, 3]), (dotted, [4, nil, 5])], spacing: .linear)
    ]
    page.plotGrids = [
      PlotGrid(
        heading: name, explanation: name, valueName: "σ", scale: .logarithmic,
        plots: [(name, [Curve(name, [3, 2, 1]), Curve(dotted, [1, 0.5])]), (dotted, [])])
    ]
    page.sizes = SizeBars(caption: name, [.init(name, amount: "1 MB", share: 1)])
    page.tables = [
      ReportTable(
        caption: name,
        columns: [.init("tensor", .code), .init("words"), .init("shape", .number)],
        rows: [[name, dotted, "1 × 2"]])
    ]
    page.provenance = [Fact("metadata", name), Fact(dotted, dotted, style: .code)]
    return page
  }()
}

extension ReportSamples {
  /// Numbers between a third of `scale` and three times as much.
  private static func grid(
    rows: Int, columns: Int, scale: Double
  ) -> [(label: Shown, values: [Double?])] {
    (0..<rows).map { row in
      ("\(row)", (0..<columns).map { scale * ripple(row, $0) })
    }
  }

  private static func spectra(layers: Int, rank: Int, seed: Int) -> [Curve] {
    (0..<layers).map { layer in
      Curve(
        "\(layer)",
        (0..<rank).map { index in
          let fall = 1 + Double(index) * (4 + Double(seed)) / Double(rank)
          return ripple(layer, seed) / (fall * fall) * (1 + 0.02 * ripple(layer, index))
        })
    }
  }

  private static func cosines(seed: Int) -> [Curve] {
    (0..<16).map { layer in
      Curve(
        "\(layer)",
        (0..<8).map { index in 1 - Double(index * index) * 0.012 * ripple(layer, seed) / 3 })
    }
  }

  /// Something between 1/3 and 3 that looks like a model's layers, the same each time.
  private static func ripple(_ row: Int, _ column: Int) -> Double {
    let mixed = (row &* 7919 &+ column &* 104_729) % 97
    let slope = 0.5 + Double(row % 22) / 22 + Double(column % 7) / 10
    return slope * (0.7 + Double(mixed) / 97 * 0.6)
  }
}

// swift-tools-version: 6.3
import PackageDescription

let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
]

/// A file path that prints, appends and compares well, without Foundation.
let system: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")

/// Functions of numbers, without Foundation, which would double the time that the command takes to start.
let numbers: Target.Dependency = .product(name: "RealModule", package: "swift-numerics")

let package = Package(
  name: "adapter",
  platforms: [.macOS(.v15)],
  products: [
    .executable(name: "adapter", targets: ["AdapterCommand"]),
    .library(name: "Adapters", targets: ["Adapters"]),
    .library(name: "AdapterModels", targets: ["AdapterModels"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
    .package(url: "https://github.com/apple/swift-numerics", from: "1.1.1"),
    .package(url: "https://github.com/apple/swift-system", from: "1.8.0"),
  ],
  targets: [
    .systemLibrary(
      name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"]), .brew(["zstd"])]),
    .systemLibrary(
      name: "CDeflate", pkgConfig: "libdeflate",
      providers: [.apt(["libdeflate-dev"]), .brew(["libdeflate"])]),
    .systemLibrary(name: "COpenBLAS"),
    .systemLibrary(name: "CPlatform"),
    .target(
      name: "Storage",
      dependencies: [
        "CPlatform", "StrictJSON",
        .product(name: "Crypto", package: "swift-crypto"),
        system,
      ], swiftSettings: settings),
    .target(name: "StrictJSON", swiftSettings: settings),
    .target(
      name: "AdapterFormat",
      dependencies: ["Storage", "StrictJSON", "CZstd", "CDeflate", "CPlatform"],
      swiftSettings: settings),
    .target(
      name: "Checkpoints", dependencies: ["Storage", "StrictJSON", "CPlatform", system],
      swiftSettings: settings),
    .target(
      name: "Operations",
      dependencies: [
        "AdapterFormat", "Storage", "StrictJSON", "CPlatform", system, numbers,
        // Apple's systems have Accelerate.
        .target(name: "COpenBLAS", condition: .when(platforms: [.linux])),
      ],
      swiftSettings: settings),
    .target(
      name: "AdapterInsight",
      dependencies: ["Operations", "AdapterFormat", "Storage", "StrictJSON", numbers],
      swiftSettings: settings),
    .target(
      name: "AdapterRuntime",
      dependencies: [
        "AdapterInsight", "Operations", "AdapterFormat", "Checkpoints", "Storage", "StrictJSON",
        system,
      ],
      swiftSettings: settings),
    .target(
      name: "AdapterInterop",
      dependencies: [
        "Operations", "AdapterFormat", "Checkpoints", "Storage", "StrictJSON", system, numbers,
      ],
      swiftSettings: settings),
    .target(
      name: "Adapters",
      dependencies: [
        "AdapterRuntime", "AdapterInterop", "AdapterInsight", "Operations", "AdapterFormat",
        "Checkpoints", "Storage", "StrictJSON",
      ],
      swiftSettings: settings),
    .target(
      name: "AdapterModels",
      dependencies: [
        "CPlatform", "AdapterRuntime", "Operations", "AdapterFormat", "Checkpoints", "Storage",
        "StrictJSON", system, numbers,
      ], swiftSettings: settings),
    .executableTarget(
      name: "AdapterCommand",
      dependencies: [
        "AdapterModels", "AdapterRuntime", "AdapterInterop", "AdapterInsight", "Operations",
        "AdapterFormat", "Checkpoints", "Storage", "StrictJSON", system, numbers,
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      // The report's style is a part of the program: it stays one file.
      resources: [.embedInCode("Report/style.css")], swiftSettings: settings),
    .executableTarget(
      name: "container-benchmark",
      dependencies: [
        "AdapterFormat", "Operations", "Checkpoints", "Storage", "StrictJSON", system,
      ],
      path: "Tests/Benchmarks/Container", swiftSettings: settings),
    .executableTarget(
      name: "batch-benchmark", dependencies: ["Adapters", "AdapterModels", system],
      path: "Tests/Benchmarks/Batch", swiftSettings: settings),
    .target(
      name: "TestSupport",
      dependencies: [
        "AdapterFormat", "AdapterInterop", "AdapterRuntime", "Operations", "Checkpoints", "Storage",
        "StrictJSON",
        system,
      ], path: "Tests/TestSupport", swiftSettings: settings),
    .target(
      name: "Fuzzing",
      dependencies: [
        "AdapterFormat", "AdapterInterop", "AdapterRuntime", "Operations", "Checkpoints", "Storage",
        "StrictJSON",
        "TestSupport", system,
      ], path: "Tests/Fuzz/Bodies", swiftSettings: settings),
    .testTarget(
      name: "FuzzTests", dependencies: ["Fuzzing", "StrictJSON", "TestSupport", system],
      swiftSettings: settings),
    .testTarget(name: "StrictJSONTests", dependencies: ["StrictJSON"], swiftSettings: settings),
    .testTarget(
      name: "AdapterFormatTests",
      dependencies: [
        "AdapterFormat", "Operations", "Storage", "StrictJSON", "TestSupport", system,
      ],
      swiftSettings: settings),
    .testTarget(
      name: "CheckpointsTests",
      dependencies: ["Checkpoints", "Storage", "StrictJSON", "TestSupport", system],
      swiftSettings: settings),
    .testTarget(
      name: "OperationsTests",
      dependencies: [
        "AdapterInterop", "AdapterRuntime", "Checkpoints", "Operations", "Storage", "StrictJSON",
        "TestSupport",
      ],
      swiftSettings: settings),
    .testTarget(
      name: "AdapterInsightTests",
      dependencies: ["AdapterInsight", "Operations", "StrictJSON", "TestSupport", system],
      swiftSettings: settings),
    .testTarget(
      name: "AdapterModelsTests",
      dependencies: [
        "AdapterModels", "AdapterFormat", "AdapterInterop", "AdapterRuntime", "Operations",
        "Checkpoints", "Storage", "StrictJSON", "TestSupport", system,
      ], swiftSettings: settings),
    .testTarget(
      name: "AdapterInteropTests",
      dependencies: [
        "AdapterFormat", "AdapterInterop", "AdapterRuntime", "Operations", "Checkpoints", "Storage",
        "StrictJSON", "TestSupport", system,
      ], swiftSettings: settings),
    .testTarget(
      name: "AdapterRuntimeTests",
      dependencies: [
        "AdapterFormat", "AdapterInterop", "AdapterInsight", "AdapterRuntime", "Operations",
        "Checkpoints", "Storage",
        "StrictJSON", "TestSupport", system,
      ], swiftSettings: settings),
    // With a user's settings, not ours: the examples of README and documentation must compile there.
    .testTarget(
      name: "ReadmeTests",
      dependencies: [
        "AdapterModels", "Adapters", "AdapterInterop", "AdapterRuntime", "Operations",
        "Checkpoints", "Storage", "TestSupport", system,
      ]),
    .testTarget(
      name: "AdapterCommandTests",
      dependencies: [
        "AdapterCommand", "AdapterFormat", "Checkpoints", "Storage", "StrictJSON", "TestSupport",
        system,
      ], swiftSettings: settings),
  ],
  swiftLanguageModes: [.v6]
)

// The fuzzer is built by `.ci/fuzz` alone: its `main` is libFuzzer's, which is linked with `--sanitize fuzzer` only.
if Context.environment["ADAPTER_FUZZ"] != nil {
  package.targets += [
    .systemLibrary(name: "CFuzzer", path: "Tests/Fuzz/CFuzzer"),
    .executableTarget(
      name: "adapter-fuzz", dependencies: ["Fuzzing", "CFuzzer"], path: "Tests/Fuzz/Entry",
      swiftSettings: settings),
  ]
}

import Foundation
import SystemPackage
import TestSupport
import Testing

/// What the machine does not give is an error, and never a crash or an end that does not come.
@Suite(.enabled(if: FaultInjector.isThere)) struct LimitTests {
  private let folder: TemporaryFolder

  init() throws {
    folder = try TemporaryFolder()
    try folder.copy(Repository.base("tiny-llama"), to: "base")
    try folder.copy(Repository.peft("llama_all"), to: "lora")
    try folder.copy(Repository.base("tiny-t5"), to: "t5")
    try folder.copy(Repository.peft("t5_ia3"), to: "ia3")
  }

  private func run(_ lines: String) throws -> CommandResult {
    try Command.shell(lines, in: folder.path)
  }

  /// A batch system limits the address space with `ulimit -v`. Each thread that multiplies takes 128 MiB of it.
  @Test func littleAddressSpaceIsAnErrorOrFewerThreads() throws {
    #expect(try run("adapter merge base lora -o want; adapter convert lora -o x.adp").status == 0)
    var merged: [Int32] = []
    for kilobytes in [150_000, 200_000, 300_000, 400_000, 500_000, 700_000, 1_000_000] {
      let limit = "ulimit -v \(kilobytes)"
      let verified = try run("\(limit); adapter verify x.adp")
      #expect(verified.status == 0, "\(kilobytes) kB: \(verified.errors)")
      let result = try run(
        "rm -rf out; (\(limit); adapter merge base lora -o out) && cmp out/*1-of* want/*1-of*")
      let isTold = result.errors.contains("address space") && result.errors.contains("ulimit -v")
      #expect(result.status == 0 || (result.status == 2 && isTold), "\(result.errors)")
      #expect(folder.appending("out").exists == (result.status == 0))
      merged.append(result.status)
    }
    #expect(merged.first == 2 && merged.last == 0)
  }

  /// The library for products is looked for where there are any.
  @Test func withoutProductsNothingNeedsTheirLibrary() throws {
    #expect(try run("adapter convert lora -o x.adp").status == 0)
    let hidden =
      "mkdir -p lib; : > lib/libopenblas.so.0; : > lib/libopenblas.so; LD_LIBRARY_PATH=$PWD/lib"
    for command in [
      "verify x.adp", "inspect x.adp --summary", "convert x.adp -o back", "unpack x.adp -o parts",
      "check t5 ia3", "merge t5 ia3 -o out", "verify --merge t5 ia3 out",
    ] {
      let result = try run("\(hidden) adapter \(command)")
      #expect(result.status == 0, "\(command): \(result.errors)")
    }
    for command in ["merge base x.adp -o out2", "inspect x.adp", "run base --token-ids 1,2"] {
      let result = try run("\(hidden) adapter \(command)")
      #expect(result.status == 2)
      #expect(
        result.errors.contains(
          "matrices cannot be multiplied: OpenBLAS, of the package libopenblas0"),
        "\(command): \(result.errors)")
    }
  }

  /// Most of the base is a hole; of what is merged all is read and written.
  @Test(.enabled(if: Command.python != nil)) func aMergeTakesTheSameMemoryWhateverTheBase() throws {
    let python = try #require(Command.python)
    let measure = Repository.root.appending("Tests/Hostile/measure.py")
    let result = try run(
      """
      set -e
      '\(python)' - <<'end'
      import json, os, struct
      def write(path, tensors, size):
          text = json.dumps(tensors).encode()
          with open(path, "wb") as file:
              file.write(struct.pack("<Q", len(text)) + text)
              file.truncate(8 + len(text) + size)
      n = 1 << 14
      write("base.safetensors", {"w": {"dtype": "BF16", "shape": [n, n], "data_offsets": [0, 2 * n * n]}}, 2 * n * n)
      os.mkdir("f")
      write("f/tensors.safetensors", {"a": {"dtype": "F32", "shape": [8, n], "data_offsets": [0, 32 * n]},
            "b": {"dtype": "F32", "shape": [n, 8], "data_offsets": [32 * n, 64 * n]}}, 64 * n)
      add = {"op": "add_low_rank", "target": "w", "tensors": {"a": "a", "b": "b"}, "scale": 1, "layout": "out_in"}
      json.dump({"adapters": [{"name": "a", "method": "test", "operations": [add]}]}, open("f/manifest.json", "w"))
      end
      adapter pack f -o x.adp
      echo '["adapter", "merge", "base.safetensors", "x.adp", "-o", "out.safetensors"]' |
        '\(python)' -B '\(measure)' 600
      """)
    let megabytes = result.output.firstMatch(of: #/"megabytes": ([\d.]+)/#).flatMap { Double($0.1) }
    #expect(result.output.contains("\"status\": 0"), "\(result.output) \(result.errors)")
    #expect(try #require(megabytes) < 256)
  }
}

# The formula for Homebrew. What could not be checked where it was written, as there was no macOS, no Homebrew and no
# release yet: everything. `url`, `sha256`, `homepage` and `head` are to be those of the published repository; then, in a
# tap that holds this file:
#   brew audit --strict --new adapter && brew install --build-from-source adapter && brew test adapter
class Adapter < Formula
  desc "Pack, inspect, merge and convert adapters of fine-tuned models"
  homepage "https://adapter.invalid"
  url "https://adapter.invalid/adapter-0.1.0.tar.gz"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  license "Apache-2.0"
  head "https://adapter.invalid/adapter.git", branch: "main"

  depends_on "pkgconf" => :build
  # Swift 6.3.
  depends_on xcode: ["26.4", :build]
  depends_on "libdeflate"
  depends_on macos: :sequoia
  depends_on "zstd"

  uses_from_macos "swift" => :build

  # Apple's systems multiply with Accelerate.
  on_linux do
    depends_on "openblas"
  end

  def install
    # SwiftPM's sandbox does not start in Homebrew's.
    arguments = %w[--disable-sandbox -c release --product adapter]
    arguments << "--static-swift-stdlib" if OS.linux?
    system "swift", "build", *arguments
    bin.install ".build/release/adapter"
    pkgshare.install "Fixtures/peft/llama_all", "Fixtures/bases/tiny-llama"
    generate_completions_from_executable(bin/"adapter", "--generate-completion-script")
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/adapter --version")
    system bin/"adapter", "convert", pkgshare/"llama_all", "-o", "lora.adp", "--base", pkgshare/"tiny-llama"
    assert_match "lora", shell_output("#{bin}/adapter inspect lora.adp")
    system bin/"adapter", "merge", pkgshare/"tiny-llama", "lora.adp", "-o", "merged"
    assert_predicate testpath/"merged/config.json", :exist?
  end
end

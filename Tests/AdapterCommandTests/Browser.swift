import Foundation
import SystemPackage
import TestSupport

/// Chromium without a window.
struct Browser {
  /// Where it is; nil where there is none.
  static let path: FilePath? = [
    ProcessInfo.processInfo.environment["ADAPTER_CHROMIUM"], "/usr/bin/chromium",
    "/usr/bin/chromium-browser", "/Applications/Chromium.app/Contents/MacOS/Chromium",
  ].compactMap { $0 }.map { FilePath($0) }.first(where: \.exists)

  /// Which theme the page is asked for.
  enum Scheme: Int, CaseIterable {
    case dark = 0
    case light = 1
  }

  let program: FilePath
  let folder: TemporaryFolder
  let scheme: Scheme

  /// What Tests/Browser/check.html says of pages.
  func check(_ pages: [FilePath]) throws -> CommandResult {
    let checker = Repository.root.appending("Tests/Browser/check.html")
    return try run([
      "--allow-file-access-from-files", "--dump-dom",
      "file://\(checker)" + pages.map { "#\($0)" }.joined(),
    ])
  }

  /// A picture of a page, as a PNG file's bytes.
  func picture(of page: FilePath, width: Int, height: Int) throws -> (CommandResult, [UInt8]) {
    let target = folder.appending("\(width)-\(scheme).png")
    let result = try run([
      "--hide-scrollbars", "--force-device-scale-factor=1", "--window-size=\(width),\(height)",
      "--screenshot=\(target)", "file://\(page)",
    ])
    return (result, try target.contents)
  }

  /// `--no-sandbox` because it does not run as root otherwise, and in many containers not at all; a profile
  /// of its own because several run at a time, and because a home may be missing.
  private func run(_ arguments: [String]) throws -> CommandResult {
    let profile = folder.appending("profile-\(UUID().uuidString)")
    return try Command.run(
      program,
      [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-extensions", "--disable-background-networking", "--disable-crash-reporter",
        "--user-data-dir=\(profile)", "--enable-logging=stderr", "--v=0",
        "--blink-settings=preferredColorScheme=\(scheme.rawValue)",
      ] + arguments, folder: folder.path)
  }
}

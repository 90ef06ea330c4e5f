internal import AdapterRuntime
internal import Operations
internal import Storage

/// The lines of `merge --stats`.
struct MergeStatistics {
  let lines: [String]

  init(_ times: MergeTimes) throws {
    func seconds(_ time: Duration) -> String { (time / .seconds(1)).short + " s" }
    let processor = Platform.processorSeconds
    let kernels = [LinearAlgebra.storedRowsKernel, try LinearAlgebra.libraryName()]
    let codes =
      times.makingCodes > .zero ? ["codes \(seconds(times.makingCodes)) by the clock"] : []
    lines =
      codes + [
        "\(times.threadCount.of("thread")): reading \(seconds(times.reading)), "
          + "arithmetic \(seconds(times.arithmetic)), writing \(seconds(times.writing))",
        "processors \((processor.own + processor.system).short) s, "
          + "\(processor.system.short) s of it copying and waiting in the system",
        "products by \(kernels.compactMap(\.self).joined(separator: ", "))",
      ]
  }
}

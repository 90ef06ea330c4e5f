/// The keys and values of the positions that a sequence has, for each layer, in F32.
@safe final class KeyValueCache {
  /// How many positions are there.
  private(set) var count = 0
  let headCount: Int
  let headDimension: Int
  private var capacity: Int
  /// For each layer the keys and then the values, [heads, capacity, head dimension] each.
  private var layers: [UnsafeMutableBufferPointer<Float>]

  init(layerCount: Int, headCount: Int, headDimension: Int, capacity: Int) {
    self.headCount = headCount
    self.headDimension = headDimension
    self.capacity = max(capacity, 16)
    let size = 2 * headCount * self.capacity * headDimension
    unsafe layers = (0..<layerCount).map { _ in .allocate(capacity: size) }
  }

  deinit {
    for index in unsafe layers.indices { unsafe layers[index].deallocate() }
  }

  /// Makes room for more positions.
  func reserve(_ additional: Int) {
    let needed = count + additional
    guard needed > capacity else { return }
    let larger = max(needed, capacity * 2)
    let (head, kept) = (headDimension, count * headDimension)
    for index in unsafe layers.indices {
      let old = unsafe layers[index]
      let new = UnsafeMutableBufferPointer<Float>.allocate(
        capacity: 2 * headCount * larger * head)
      for part in 0..<2 * headCount {
        guard let source = old.baseAddress, let target = new.baseAddress else { break }
        unsafe (target + part * larger * head).update(
          from: source + part * capacity * head, count: kept)
      }
      unsafe old.deallocate()
      unsafe layers[index] = new
    }
    capacity = larger
  }

  /// A head's keys, with room for those that are being added.
  func keys(_ layer: Int, head: Int) -> FloatRows { rows(layer, head) }

  /// A head's values.
  func values(_ layer: Int, head: Int) -> FloatRows { rows(layer, headCount + head) }

  private func rows(_ layer: Int, _ part: Int) -> FloatRows {
    let start = unsafe layers[layer].baseAddress.unsafelyUnwrapped
    return unsafe FloatRows(
      at: start + part * capacity * headDimension, count: capacity, width: headDimension)
  }

  /// Makes positions that all layers have filled part of the sequence.
  func advance(by positions: Int) { count += positions }
}

/// One forward pass: rows of several sequences, one sequence after the other, each with its own cache and
/// its own adapters. So a batch needs no padding, and each sequence gives what it gives alone.
struct Pass {
  let workspace: Workspace
  let segments: [Segment]

  /// The rows of one sequence.
  struct Segment {
    let rows: Range<Int>
    let cache: KeyValueCache
    let stack: AdapterStack

    /// The position of its first row: what is cached comes before.
    var position: Int { cache.count }

    func program(_ layer: LinearLayer) -> LayerProgram? {
      layer.index.flatMap { stack.programs[$0] }
    }

    /// A vector's values, those of an adapter in place of the model's.
    func values(of vector: ModelVector) -> [Float] {
      stack.vectors[vector.index] ?? vector.values
    }
  }

  /// Calls the body for every row with its segment and its position.
  func forEachRow(_ body: (Int, Segment, _ position: Int) -> Void) {
    for segment in segments {
      for row in segment.rows {
        body(row, segment, segment.position + row - segment.rows.lowerBound)
      }
    }
  }

  /// Attention of every sequence to what it has, its new keys and values put into its cache.
  ///
  /// - Parameters:
  ///   - attention: the rule.
  ///   - queries: [rows, heads · head dimension].
  ///   - layer: whose cache.
  ///   - copy: puts a row's keys and values of one head into a place of the cache.
  /// - Returns: what the queries see, [rows, heads · head dimension].
  func attend(
    _ attention: Attention, _ queries: FloatRows, layer: Int,
    _ copy: (
      _ row: Int, _ head: Int, _ key: UnsafeMutableBufferPointer<Float>,
      _ value: UnsafeMutableBufferPointer<Float>
    ) -> Void
  ) -> FloatRows {
    let result = workspace.rows(queries.count, queries.width)
    for segment in segments {
      let cache = segment.cache
      for head in 0..<cache.headCount {
        let (keys, values) = (cache.keys(layer, head: head), cache.values(layer, head: head))
        for row in segment.rows {
          let place = cache.count + row - segment.rows.lowerBound
          unsafe copy(row, head, keys[place], values[place])
        }
      }
      attention.run(queries[segment.rows], cache, layer: layer, into: result[segment.rows])
    }
    return result
  }
}

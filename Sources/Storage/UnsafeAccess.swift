extension Array {
  /// `withUnsafeBytes` with a typed throw, which the standard library's does not have yet.
  package func withUnsafeBytesThrowing<Value, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Value
  ) throws(Failure) -> Value {
    let result = unsafe withUnsafeBytes { bytes in
      Result { () throws(Failure) in try unsafe body(bytes) }
    }
    return try result.get()
  }

  /// `withUnsafeMutableBytes` with a typed throw.
  package mutating func withUnsafeMutableBytesThrowing<Value, Failure: Error>(
    _ body: (UnsafeMutableRawBufferPointer) throws(Failure) -> Value
  ) throws(Failure) -> Value {
    let result = unsafe withUnsafeMutableBytes { bytes in
      Result { () throws(Failure) in try unsafe body(bytes) }
    }
    return try result.get()
  }
}

extension ArraySlice {
  /// `withUnsafeBytes` with a typed throw.
  package func withUnsafeBytesThrowing<Value, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Value
  ) throws(Failure) -> Value {
    let result = unsafe withUnsafeBytes { bytes in
      Result { () throws(Failure) in try unsafe body(bytes) }
    }
    return try result.get()
  }
}

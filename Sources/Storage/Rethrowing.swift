/// Runs a step of a lower layer, and wraps its error in one of the caller's own.
package func rethrowing<Value, Inner: Error, Outer: Error>(
  as wrap: (Inner) -> Outer, _ body: () throws(Inner) -> Value
) throws(Outer) -> Value {
  do throws(Inner) {
    return try body()
  } catch {
    throw wrap(error)
  }
}

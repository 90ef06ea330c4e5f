// One import for programs that open, convert, look at, apply and merge adapters. Models that run are
// `AdapterModels`, a product of its own.

@_exported public import AdapterFormat
@_exported public import AdapterInsight
@_exported public import AdapterInterop
@_exported public import AdapterRuntime
@_exported public import Checkpoints
@_exported public import Operations
@_exported public import Storage
@_exported public import StrictJSON

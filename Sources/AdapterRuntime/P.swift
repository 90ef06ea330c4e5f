enum PlaceholderAdapterRuntime {}

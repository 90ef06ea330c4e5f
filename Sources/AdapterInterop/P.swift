enum PlaceholderAdapterInterop {}

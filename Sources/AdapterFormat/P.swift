enum PlaceholderAdapterFormat {}

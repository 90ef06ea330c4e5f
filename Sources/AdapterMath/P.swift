enum PlaceholderAdapterMath {}

enum PlaceholderAdapters {}

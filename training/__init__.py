"""Training and measuring of the bundled network; the plugin never imports this."""

"""From YAML text to a Program, or to Diagnostics; nothing here touches a network."""

"""From files to examples: one reader a format, none of which drops anything in silence."""

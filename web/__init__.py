"""The page that runs in a browser: `make web` packs its program and makes the files that it fetches."""

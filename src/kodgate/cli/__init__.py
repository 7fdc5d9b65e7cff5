"""The `kodgate` command. Server parts are imported inside commands: `--help` stays light."""

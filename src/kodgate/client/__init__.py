"""The SDK: send a code and follow it, over the HTTP interface or the JSON service."""

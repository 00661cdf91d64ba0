"""The hooks into other libraries, of which `callbacks` is the door."""

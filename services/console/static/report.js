// The draft on this device.

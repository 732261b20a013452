"""From dense votes to whole structures: propagation and detection."""

"""Files in and out: pictures, labels, animations, folders that are whole or not there."""

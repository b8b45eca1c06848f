"""Networks whose reasons are known, so that metrics themselves can be measured."""

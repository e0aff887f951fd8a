"""The numeric core: arrays in, arrays out. No pandas, no configuration, no files, no logging."""

"""Reports: what is wrong or remarkable in a collection, with the evidence. One file for each."""

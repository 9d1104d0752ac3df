"""Reports as files: JSON and CSV with everything, HTML and PDF to read and to print. One file for each."""

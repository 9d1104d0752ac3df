"""What facesearch knows and decides. Imports neither the web framework nor the queue."""

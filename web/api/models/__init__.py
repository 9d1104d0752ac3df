"""What goes over the wire: typed models of requests and answers, one module per noun."""

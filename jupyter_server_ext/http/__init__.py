"""What HTTP says, apart from any one route: values of headers in, decisions out."""

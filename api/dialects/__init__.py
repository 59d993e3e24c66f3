"""One module per published API, each thin: to_request, from_job, render_error, blueprint."""

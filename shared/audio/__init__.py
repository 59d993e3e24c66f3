"""Write audio as files of seven formats, and read these back. Computes on samples; knows no store and no job."""

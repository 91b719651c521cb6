"""What listens to what in this process, and what came of it: as a page, a picture, text and JSON."""

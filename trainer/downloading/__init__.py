"""The tutorial's archives: fetched, checked and unpacked."""

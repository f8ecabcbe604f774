"""The Promela models of docs/model, checked by spin and replayed against the code."""

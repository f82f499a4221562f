"""MLflow: a parent run per sweep, a child run per trial, and the winner as a model that can be served."""

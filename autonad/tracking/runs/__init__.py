"""A step's run in MLflow: opened, filled while the work goes on, closed however it ends."""

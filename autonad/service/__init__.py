"""The detector as an HTTP service, with the base install alone. A request passes in this order.

protocol       connections: slow clients are cut off
gate           every request: its time and status counted, headers of every answer
app            the routes, and what they say about themselves (OpenAPI)
limits         how much, how large, how long, and the refusal that follows
uploads        the body: images and rules
examining      in a worker's thread: decode, detect, answer
answers        what was found, as JSON, with shapes and overlays
schemas        what an answer is

Around it:

served_model   a file or MLflow's alias, opened, with its identity
reloading      another model takes over while requests are answered
monitoring     figures for Prometheus
serving        a port, and the server on it
page/          the page for a tablet beside the line
"""

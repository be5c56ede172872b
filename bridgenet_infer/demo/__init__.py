"""The demo page: two files or a rendered scene in, bicubic and the network side by side (`[demo]` extra).

`scenes` and `intake` make inputs, `compare` runs, `pictures` and `cloud` make what is shown; only `page` knows Gradio.
"""

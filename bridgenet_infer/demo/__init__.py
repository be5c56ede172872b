"""The demo page: two files or a rendered scene in, bicubic and the network side by side (`[demo]` extra).

`scenes` and `intake` make inputs, `compare` runs, `pictures`, `cloud` and `wording` make what is shown, `service` ties
them together; only `page` knows Gradio.
"""

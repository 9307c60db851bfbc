"""The server: bundles behind HTTP, in the forms that existing systems speak.

`settings` says what is served and to whom, `app` puts it together. Below them: `service`
answers a text with a model and what follows an abstention, `answering` queues and batches
for one model, `gate` keeps out what should not come in. Above them one module for each
form of the wire: `native`, `openai_chat`, `openai_other`, `neighbors`, `live`. Nothing
here knows a task: routes ask for capabilities.
"""

"""What is sent to a collector by OTLP/HTTP as JSON: the registry's figures, and spans of what is rare.

No SDK: the record why is docs/adr. Nothing in here is called for each record, makes the loop wait, or raises into it.
"""

# Encodes header blocks with python's hpack (python-hyper). JSON on stdin, JSON on stdout; see make.mjs.
# Usage: encode.py huffman|plain
import json
import sys

from hpack import Encoder, HeaderTuple, NeverIndexedHeaderTuple

encoder = Encoder()
blocks = json.load(sys.stdin)
for block in blocks:
    if "tableSize" in block:
        encoder.header_table_size = block["tableSize"]
    headers = [
        (NeverIndexedHeaderTuple if field.get("sensitive") else HeaderTuple)(field["name"], field["value"])
        for field in block["fields"]
    ]
    block["wire"] = encoder.encode(headers, huffman=sys.argv[1] == "huffman").hex()
json.dump(blocks, sys.stdout)

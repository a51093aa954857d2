"""A signed listUsers as the developer's guide builds it in Python; then the same call with a wrong signature."""
import base64
import hashlib
import hmac
import json
import os
import urllib.error
import urllib.parse
import urllib.request

request = {"command": "listUsers", "response": "json", "apikey": os.environ["CLOUDSTACK_KEY"]}
plus = urllib.parse.quote_plus
request_str = "&".join("=".join([k, plus(request[k])]) for k in request)
sig_str = "&".join("=".join([k.lower(), plus(request[k].lower().replace("+", "%20"))]) for k in sorted(request))
digest = hmac.new(os.environ["CLOUDSTACK_SECRET"].encode(), sig_str.encode(), hashlib.sha1).digest()
sig = plus(base64.b64encode(digest).strip())
url = os.environ["CLOUDSTACK_ENDPOINT"] + "?" + request_str + "&signature="
answer = json.load(urllib.request.urlopen(url + sig))["listusersresponse"]
assert answer["count"] == 1 and answer["user"][0]["username"] == "admin", answer
try:
    urllib.request.urlopen(url + plus("A" * 27 + "="))
    raise AssertionError("a wrong signature was taken")
except urllib.error.HTTPError as e:
    assert e.code == 401, e.code
    assert json.load(e)["listusersresponse"]["errorcode"] == 401
print("ok")

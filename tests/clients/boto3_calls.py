"""Carries out calls of boto3: a line of JSON each on standard input, [service, method, parameters]; a line with the answer each."""
import json
import os
import sys

import boto3
import botocore.exceptions

clients = {}
for line in sys.stdin:
    service, method, parameters = json.loads(line)
    if service not in clients:
        clients[service] = boto3.client(service, endpoint_url=os.environ[service.upper() + "_URL"])
    try:
        answer = {"ok": getattr(clients[service], method)(**parameters)}
    except botocore.exceptions.ClientError as e:
        answer = {"error": e.response["Error"]}
    print(json.dumps(answer, default=str), flush=True)

"""Compares every answer that a boto3 client gets with botocore's own shape of it: an element that the shape does not have, an empty
number, date or boolean, or one that does not parse is a mistake of the server. `watch(client)` and, at the end, `judge()`."""
import re
import xml.etree.ElementTree as tree

MISTAKES = set()
SEEN = set()
# Actions that were answered, not refused.
ANSWERED = set()
DATE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
# Elements that EC2 itself sends and botocore's shapes leave out.
BESIDE = {"requestId", "return"}


def bare(tag):
    return tag.rsplit("}", 1)[-1]


def scalar(shape, text, where):
    kind = shape.type_name
    good = {"integer": r"^-?\d+$", "long": r"^-?\d+$", "double": r"^-?\d+(\.\d+)?$", "float": r"^-?\d+(\.\d+)?$", "boolean": r"^(true|false)$"}
    if kind in good and not re.match(good[kind], text):
        MISTAKES.add("%s: %r is no %s" % (where, text, kind))
    if kind == "timestamp" and not DATE.match(text):
        MISTAKES.add("%s: %r is no date" % (where, text))


def compare(shape, node, where):
    kind = shape.type_name
    if kind == "structure":
        names = {m.serialization.get("name", n): m for n, m in shape.members.items()}
        counted = [bare(child.tag) for child in node]
        for child in node:
            name = bare(child.tag)
            if name in names:
                compare(names[name], child, "%s.%s" % (where, name))
            else:
                MISTAKES.add("%s: unknown element %s" % (where, name))
        for twice in {n for n in counted if counted.count(n) > 1}:
            MISTAKES.add("%s: %s stands twice" % (where, twice))
    elif kind == "list":
        for child in node:
            if bare(child.tag) != shape.member.serialization.get("name", "item"):
                MISTAKES.add("%s: %s in a list" % (where, bare(child.tag)))
            compare(shape.member, child, where + "[]")
    else:
        if len(node):
            MISTAKES.add("%s: elements in a %s" % (where, kind))
        scalar(shape, node.text or "", where)


def check(http_response, parsed, model, **_):
    SEEN.add(model.name)
    root = tree.fromstring(http_response.content)
    if http_response.status_code >= 300:
        codes = [e.findtext("Code") for e in root.iter("Error")]
        if bare(root.tag) != "Response" or not codes or not codes[0]:
            MISTAKES.add("%s: an error in another shape: %s" % (model.name, http_response.content[:200]))
        if http_response.status_code >= 500:
            MISTAKES.add("%s: HTTP %d: %s" % (model.name, http_response.status_code, http_response.content[:400]))
        return
    ANSWERED.add(model.name)
    if bare(root.tag) != model.name + "Response":
        MISTAKES.add("%s: answered as %s" % (model.name, bare(root.tag)))
    own = [child for child in root if bare(child.tag) not in BESIDE]
    if not any(bare(child.tag) == "requestId" for child in root):
        MISTAKES.add("%s: no requestId" % model.name)
    known = model.output_shape
    for child in root:
        if bare(child.tag) == "return" and known is not None and "Return" in known.members:
            own.append(child)
    if known is None:
        MISTAKES.update("%s: unknown element %s" % (model.name, bare(child.tag)) for child in own)
        return
    holder = tree.Element(root.tag)
    holder.extend(own)
    compare(known, holder, model.name)


def watch(client):
    client.meta.events.register("after-call.ec2.*", check)
    return client


def judge():
    assert not MISTAKES, "\n".join(sorted(MISTAKES))
    return len(SEEN)
